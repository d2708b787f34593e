"""A mail server that keeps what it is given, and behaves as the file `mode` says.

smtp_server.py FOLDER: prints the port it listens on; writes a JSON line to FOLDER/received for each mail.
"""

import asyncio
import json
import pathlib
import sys

from aiosmtpd.smtp import SMTP

FOLDER = pathlib.Path(sys.argv[1])
# Seconds, a little longer than a worker waits.
LATE = 22
REFUSALS = {"busy": "451 come back later", "unknown": "550 no such user"}


class Keep:
    async def handle_RCPT(self, server, session, envelope, address, options):
        mode = (FOLDER / "mode").read_text()
        if mode == "late":
            await asyncio.sleep(LATE)
        if mode in REFUSALS:
            return REFUSALS[mode]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_NOOP(self, server, session, envelope, argument):
        # The next mail on a connection that is in the middle of one would go to two people.
        if envelope.mail_from is not None:
            keep(["two mails in one"], "")
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        keep(envelope.rcpt_tos, envelope.content.decode("utf-8"))
        return "250 taken"


def keep(to, mail):
    with open(FOLDER / "received", "a") as received:
        received.write(json.dumps({"to": to, "mail": mail}) + "\n")


async def serve():
    make = lambda: SMTP(Keep(), hostname="mail.example", data_size_limit=2**20)
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(serve())
