"""Encrypts stored secrets again after the key was changed; the secrets stay the same."""

from allauth.mfa.models import Authenticator

from accounts.encryption import decrypt, encrypt

ENCRYPTED_KEYS = ("secret", "seed")  # in the data of allauth's authenticators


def encrypt_again() -> int:
    """Encrypt the seeds of second factors with the current key, and return how many rows have one.

    Each row is replaced only if it has not changed meanwhile. Raises UnreadableSecret.
    """
    count = 0
    for row in Authenticator.objects.order_by("pk").iterator():
        seeds = {key: row.data[key] for key in ENCRYPTED_KEYS if key in row.data}
        if not seeds:
            continue
        renewed = {key: encrypt(decrypt(value)) for key, value in seeds.items()}
        unchanged = Authenticator.objects.filter(pk=row.pk, data=row.data)
        count += unchanged.update(data=row.data | renewed)
    return count
