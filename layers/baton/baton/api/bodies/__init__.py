"""Request and response bodies, checked by pydantic on the way in and typed on the way out."""
