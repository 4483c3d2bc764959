"""Static files under ASGI: WhiteNoise's answers, whole instead of streamed."""

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware  # type: ignore[import-untyped]
from whitenoise.responders import StaticFile  # type: ignore[import-untyped]


class StaticFiles(WhiteNoiseMiddleware):
    """WhiteNoise, reading each file here, in the middleware's thread.

    Its own response streams from a synchronous file. Under ASGI Django warns of that and reads the whole file into a
    list all the same, so nothing is lost; the files are small.
    """

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        """The file, or what WhiteNoise answers instead: 304, a range of it, or nothing after HEAD."""
        found = static_file.get_response(request.method, request.META)
        body = b""
        if found.file is not None:
            with found.file:
                body = found.file.read()
        response = HttpResponse(body, status=int(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        return response
