"""Publishing at the end of a command that edited the tables, told in one sentence."""

from routing.publish import PublishError, publish_saved


def publish_in_words(author: str) -> str:
    """Publish what was just written, unless operators hold publishing, and say what came of it."""
    try:
        publication = publish_saved(author)
    except PublishError as error:
        return f"Saved as a draft. {error}"
    if publication is None:
        return "Saved as a draft: publishing is held."
    if not publication.changed:
        return "Nothing differs from what serves already."
    return f"Published as revision {publication.number}; new requests use it."
