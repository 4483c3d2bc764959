"""Every dialect there is, by the name that deployments list."""

from collections.abc import Mapping

from gateway.dialects.chat import Chat
from gateway.dialects.completions import Completions
from gateway.dialects.dialect import Dialect
from gateway.dialects.embeddings import Embeddings
from gateway.dialects.messages import Messages
from gateway.dialects.responses import Responses

CHAT = Chat()
DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect for dialect in (CHAT, Completions(), Embeddings(), Responses(), Messages())
}
