"""Workers of one host, and of installations that share a broker, run beside each other."""

from celery.worker import WorkController
from celery.worker.consumer.control import Control

from portal.celery import app


def test_a_worker_declares_no_queue_that_only_one_worker_of_its_host_could_use():
    consumer = WorkController(app=app, pool_cls="solo").consumer
    steps = [each for each in consumer.blueprint.order if each.include_if(consumer)]

    assert steps
    assert not [each for each in steps if isinstance(each, Control)]
