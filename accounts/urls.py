"""Signing in and out, at the root of the site."""

from django.urls import path

from accounts import views

urlpatterns = [
    path("signin/", views.sign_in, name="sign_in"),
    path("signin/<str:token>", views.sign_in_link, name="sign_in_link"),
    path("signout/", views.sign_out, name="sign_out"),
]
