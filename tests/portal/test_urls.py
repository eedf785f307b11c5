"""In which order the portal tries its paths."""

from portal.urls import urlpatterns


def test_the_paths_of_the_api_are_tried_before_those_of_pages():
    assert str(urlpatterns[0].pattern) == "api/"
