"""Signing in and out, at the root of the site."""

from django.urls import path

from accounts import views
from accounts.oidc.views import Callback, Login

urlpatterns = [
    path("signin/", views.sign_in, name="sign_in"),
    path("signin/<str:token>", views.sign_in_link, name="sign_in_link"),
    path("auth/login", Login.as_view(), name="sso_login"),
    path("auth/callback", Callback.as_view(), name="sso_callback"),
    path("signout/", views.sign_out, name="sign_out"),
]
