from django.urls import path

from views import Articles, Me, Notes

urlpatterns = [
    path("me", Me.as_view()),
    path("notes", Notes.as_view()),
    path("articles", Articles.as_view()),
]
