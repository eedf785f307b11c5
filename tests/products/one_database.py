"""Settings of property tests that use the database: one database for all examples."""

from hypothesis import HealthCheck, settings

# An example takes up to a second, so there are 10, and nightly 500 and not 10,000.
ONE_DATABASE = settings(
    max_examples=max(10, settings().max_examples // 20),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
