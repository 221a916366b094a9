from rest_framework.response import Response
from rest_framework.views import APIView

from permissions import Permitted


class Me(APIView):
    def get(self, request):
        return Response({"user": request.user.id})


class Notes(APIView):
    def post(self, request):
        return Response({"by": request.user.id}, status=201)


class Articles(APIView):
    permission_classes = [Permitted]
    permission = "articles.publish"

    def post(self, request):
        return Response({"by": request.user.id}, status=201)
