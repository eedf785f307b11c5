"""Creates the tables of the audit trail, then the triggers that keep it append-only."""

from django.db import migrations, models

from accounts.audit import triggers


def guard(apps, schema_editor):
    """Install the triggers; the last step of every migration that changes the guarded table."""
    triggers.install(schema_editor.connection)


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='ChainHead',
            fields=[
                ('account_id', models.CharField(max_length=22, primary_key=True, serialize=False, verbose_name='account ID')),
                ('sequence', models.BigIntegerField(default=0)),
                ('event_hash', models.CharField(max_length=64, verbose_name='hash of the last entry')),
                ('at', models.DateTimeField(null=True, verbose_name='last entry at')),
            ],
            options={
                'verbose_name': 'chain',
            },
        ),
        migrations.CreateModel(
            name='AuditEvent',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account_id', models.CharField(max_length=22)),
                ('sequence', models.BigIntegerField()),
                ('at', models.DateTimeField()),
                ('action', models.CharField(max_length=64)),
                ('actor_type', models.CharField(max_length=16)),
                ('actor_id', models.CharField(max_length=64)),
                ('actor_label', models.CharField(max_length=255)),
                ('target_type', models.CharField(max_length=64)),
                ('target_id', models.CharField(max_length=320)),
                ('target_label', models.CharField(blank=True, max_length=255)),
                ('product', models.CharField(blank=True, max_length=64)),
                ('service_id', models.CharField(blank=True, max_length=22)),
                ('outcome', models.CharField(max_length=16)),
                ('interface', models.CharField(max_length=16)),
                ('request_id', models.CharField(blank=True, max_length=64)),
                ('canonical', models.TextField()),
                ('prev_hash', models.CharField(max_length=64)),
                ('event_hash', models.CharField(max_length=64)),
            ],
            options={
                'verbose_name': 'entry',
                'verbose_name_plural': 'entries',
                'indexes': [models.Index(fields=['at', 'id'], name='audit_event_at'), models.Index(fields=['account_id', 'at', 'id'], name='audit_event_account'), models.Index(fields=['action', 'at', 'id'], name='audit_event_action'), models.Index(fields=['actor_id', 'at', 'id'], name='audit_event_actor'), models.Index(fields=['actor_label', 'at', 'id'], name='audit_event_actor_label'), models.Index(fields=['target_id', 'at', 'id'], name='audit_event_target'), models.Index(fields=['target_label', 'at', 'id'], name='audit_event_target_label'), models.Index(fields=['product', 'at', 'id'], name='audit_event_product'), models.Index(fields=['service_id', 'at', 'id'], name='audit_event_service'), models.Index(fields=['outcome', 'at', 'id'], name='audit_event_outcome_at'), models.Index(fields=['request_id', 'at', 'id'], name='audit_event_request', opclasses=['varchar_pattern_ops', 'timestamptz_ops', 'int8_ops']), models.Index(fields=['interface', 'at', 'id'], name='audit_event_interface_at')],
                'constraints': [models.UniqueConstraint(fields=('account_id', 'sequence'), name='audit_event_once_in_chain', violation_error_message="The account's trail already has an entry with this number."), models.CheckConstraint(condition=models.Q(('outcome__in', ['done', 'refused'])), name='audit_event_outcome', violation_error_message='The outcome must be done or refused.'), models.CheckConstraint(condition=models.Q(('actor_type__in', ['user', 'token', 'system', 'staff'])), name='audit_event_actor_type', violation_error_message='Unknown type of actor.'), models.CheckConstraint(condition=models.Q(('interface__in', ['web', 'api', 'admin', 'edge', 'command', 'system'])), name='audit_event_interface', violation_error_message='Unknown interface.')],
            },
        ),
        migrations.CreateModel(
            name='PersonalData',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account_id', models.CharField(max_length=22)),
                ('sequence', models.BigIntegerField()),
                ('event_id', models.BigIntegerField()),
                ('kind', models.CharField(choices=[('ip', 'IP address'), ('email', 'email address'), ('user_agent', 'browser or program')], max_length=16)),
                ('salt', models.CharField(max_length=32)),
                ('value', models.TextField()),
            ],
            options={
                'verbose_name': 'personal value',
                'indexes': [models.Index(condition=models.Q(('kind', 'ip')), fields=['value', 'event_id'], name='audit_personal_ip', opclasses=['text_pattern_ops', 'int8_ops'])],
                'constraints': [models.UniqueConstraint(fields=('account_id', 'sequence', 'kind'), name='audit_personal_once_per_event', violation_error_message='The entry already has a value of this kind.'), models.CheckConstraint(condition=models.Q(('kind__in', ['ip', 'email', 'user_agent'])), name='audit_personal_kind', violation_error_message='Unknown kind of personal value.')],
            },
        ),
        migrations.CreateModel(
            name='SearchTerm',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('folded', models.CharField(max_length=320)),
                ('column', models.CharField(max_length=16)),
                ('value', models.CharField(max_length=320)),
            ],
            options={
                'indexes': [models.Index(fields=['folded'], name='audit_search_start', opclasses=['varchar_pattern_ops'])],
                'constraints': [models.UniqueConstraint(fields=('folded', 'column', 'value'), name='audit_search_term_once', violation_error_message='The term is already known.')],
            },
        ),
        migrations.CreateModel(
            name='TrailCursor',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('reader', models.CharField(max_length=64)),
                ('account_id', models.CharField(max_length=22)),
                ('sequence', models.BigIntegerField(default=0)),
            ],
            options={
                'constraints': [models.UniqueConstraint(fields=('reader', 'account_id'), name='one_cursor_per_reader_and_account', violation_error_message='The reader already has a position in this trail.')],
            },
        ),
        migrations.CreateModel(
            name='RepeatedRefusal',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('account_id', models.CharField(max_length=22)),
                ('sequence', models.BigIntegerField()),
                ('count', models.PositiveIntegerField(default=1)),
                ('last_at', models.DateTimeField()),
            ],
            options={
                'verbose_name': 'repeated refusal',
                'constraints': [models.UniqueConstraint(fields=('account_id', 'sequence'), name='audit_repeats_once_per_event', violation_error_message='The repeats of this entry are counted already.')],
            },
        ),
        migrations.RunPython(guard, migrations.RunPython.noop),
    ]
