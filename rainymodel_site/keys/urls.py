"""Own keys and own usage, at the root of the site."""

from django.urls import path

from rainymodel_site.keys import end_users, one_key, usage_page, views

app_name = "keys"
urlpatterns = [
    path("keys/", views.key_list, name="list"),
    path("keys/new/", views.new_key, name="new"),
    path("keys/<uuid:pk>/", one_key.change_key, name="one"),
    path("keys/<uuid:pk>/roll/", one_key.roll_key, name="roll"),
    path("keys/<uuid:pk>/revoke/", one_key.revoke_key, name="revoke"),
    path("keys/<uuid:pk>/end-users/", end_users.end_users_page, name="end_users"),
    path("usage/", usage_page.usage_page, name="usage"),
]
