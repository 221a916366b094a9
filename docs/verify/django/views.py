from rest_framework.response import Response
from rest_framework.views import APIView


class Me(APIView):
    def get(self, request):
        return Response({"user": request.user.id})


class Notes(APIView):
    def post(self, request):
        return Response({"by": request.user.id}, status=201)
