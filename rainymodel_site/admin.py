"""What this app has in the admin; most of the console's pages are no lists of rows and live elsewhere."""

from django.contrib import admin

from rainymodel_site.alert_models import AlertChannel, AlertRule
from rainymodel_site.alerts.admin import AlertChannelAdmin, AlertRuleAdmin

admin.site.register(AlertRule, AlertRuleAdmin)
admin.site.register(AlertChannel, AlertChannelAdmin)
