"""Every route of this face, on one page."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
