"""Sign-in by OpenID Connect at login.orcest.ai, or at another provider that keeps to the specifications.

mozilla-django-oidc walks the authorization code flow; what it leaves open is here: who may speak (calls), what a token
must say (tokens), who the person is (people), what becomes of a failure (errors, refusals), and how long a session
counts (session, recheck). `bearer` lets an access token call the API.
"""
