"""The playground, at the root of the site. asgi.py sends its `run` through the gateway."""

from django.urls import path

from rainymodel_site.playground import views

app_name = "playground"
urlpatterns = [
    path("playground/", views.playground_page, name="page"),
    path("playground/run", views.run, name="run"),
    path("playground/spent/<str:id>/", views.spent, name="spent"),
]
