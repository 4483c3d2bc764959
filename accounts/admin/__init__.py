"""People, keys and the audit in the admin; its own login and logout are this project's."""

from django.contrib import admin
from django.contrib.auth.models import Group

from accounts.admin.audit import AuditEntryAdmin
from accounts.admin.ceilings import CeilingAdmin
from accounts.admin.keys import ApiKeyAdmin
from accounts.admin.users import UserAdmin
from accounts.models import ApiKey, AuditEntry, Ceiling, User
from accounts.views import admin_login, sign_out

admin.site.register(User, UserAdmin)
admin.site.register(ApiKey, ApiKeyAdmin)
admin.site.register(Ceiling, CeilingAdmin)
admin.site.register(AuditEntry, AuditEntryAdmin)
admin.site.unregister(Group)  # what someone may do follows from the role alone
admin.site.login = admin_login  # type: ignore[method-assign]
admin.site.logout = sign_out  # type: ignore[method-assign,assignment]
