"""Settings of which a version has one set at most: general settings, HTTP/3, image optimization."""

from products.services.kinds.fields import choice, flag, number, text
from products.services.kinds.kind import VCL_ONLY, Key, Kind

SETTINGS = Kind(
    segment="settings",
    label="Settings",
    verbs=("updated",),
    plural="Settings",
    key=Key.NONE,
    services=VCL_ONLY,
    fields=(
        text(
            "general.default_host",
            max_length=255,
            default="",
            label="Default host",
            help="The Host that origins see, for backends without Override Host.",
        ),
        number(
            "general.default_ttl",
            default=3600,
            label="Default time to live (TTL)",
            unit="seconds",
        ),
        flag(
            "general.stale_if_error",
            default=False,
            label="Serve stale content if the origin fails",
        ),
        number(
            "general.stale_if_error_ttl",
            default=43200,
            label="Time to serve stale content",
            unit="seconds",
        ),
        number(
            "general.default_pci",
            read_only=True,
            nullable=True,
            default=0,
            label="PCI compliance",
        ),
    ),
)

HTTP3 = Kind(
    segment="http3",
    label="HTTP/3",
    verbs=("created", "deleted"),
    plural="HTTP/3",
    key=Key.NONE,
    shows_id=True,
    services=VCL_ONLY,
    fields=(
        number("feature_revision", minimum=1, default=1),
        flag("feature_update_available", read_only=True, nullable=True),
    ),
)

IMAGE_OPTIMIZER = Kind(
    segment="image_optimizer_default_settings",
    label="Image optimizer settings",
    verbs=("updated",),
    plural="Image optimizer settings",
    event="image_optimizer_settings",
    has_times=False,
    key=Key.NONE,
    fields=(
        choice(
            "resize_filter",
            ("lanczos3", "lanczos2", "bicubic", "bilinear", "nearest"),
            default="lanczos3",
            choice_labels={
                "lanczos3": "Lanczos, 3 lobes",
                "lanczos2": "Lanczos, 2 lobes",
                "bicubic": "Bicubic",
                "bilinear": "Bilinear",
                "nearest": "Nearest neighbour",
            },
        ),
        flag("webp", default=False, label="Convert to WebP"),
        number(
            "webp_quality", minimum=1, maximum=100, default=85, label="WebP quality"
        ),
        choice(
            "jpeg_type",
            ("auto", "baseline", "progressive"),
            default="auto",
            choice_labels={
                "auto": "Automatic",
                "baseline": "Baseline",
                "progressive": "Progressive",
            },
            label="JPEG type",
        ),
        number(
            "jpeg_quality", minimum=1, maximum=100, default=85, label="JPEG quality"
        ),
        flag("upscale", default=False),
        flag("allow_video", default=False),
    ),
)

SINGLE_KINDS = (SETTINGS, HTTP3, IMAGE_OPTIMIZER)
