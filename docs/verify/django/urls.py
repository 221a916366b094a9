from django.urls import path

from views import Me, Notes

urlpatterns = [path("me", Me.as_view()), path("notes", Notes.as_view())]
