"""A mail server with STARTTLS and a login, which prints each mail it gets as a line of JSON.

    smtp_server.py CERTIFICATE KEY PORT [FAULT]

It demands both, and refuses the address full@example.com for now and none@example.com for good.
What may be wrong with it:

    waits FILE   it answers no mail before there is such a file
    dies         with the first mail, which it has not taken
    dies-late    with the first mail, which it has taken, before it says so
    no-login     it refuses every login
    no-service   it refuses every connection with its greeting
    no-sender    it refuses the sender
    no-relay     it refuses the client, once it has been told an address
    no-content   it refuses the sender, once it has the mail
"""

import asyncio
import json
import os
import ssl
import sys

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult


FAULT = sys.argv[4:]


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, options):
        if FAULT == ["no-sender"]:
            return "550 5.7.1 sending quota exceeded"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if FAULT == ["no-relay"]:
            return "554 5.7.1 client host rejected"
        if address == "full@example.com":
            return "452 4.2.2 the mailbox is full"
        if address == "none@example.com":
            return "550 5.1.1 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if FAULT[:1] == ["waits"]:
            print("begun", flush=True)
            while not os.path.exists(FAULT[1]):
                await asyncio.sleep(0.01)
        if FAULT == ["dies"]:
            os._exit(1)
        if FAULT == ["no-content"]:
            return "554 sender domain not verified"
        mail = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None,
            "user": session.auth_data.login.decode() if session.auth_data else None,
            "text": envelope.content.decode(),
        }
        print(json.dumps(mail), flush=True)
        if FAULT == ["dies-late"]:
            os._exit(1)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    good = (data.login, data.password) == (b"mailer", b"p@ss word") and FAULT != ["no-login"]
    return AuthResult(success=good, handled=good, auth_data=data)


async def no_service(port):
    async def greet(reader, writer):
        writer.write(b"554 5.7.1 no service\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(greet, "127.0.0.1", port)
    print("ready", flush=True)
    await server.serve_forever()


def main():
    certificate, key, port = sys.argv[1:4]
    if FAULT == ["no-service"]:
        asyncio.run(no_service(int(port)))
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    controller = Controller(
        Handler(),
        hostname="127.0.0.1",
        port=int(port),
        tls_context=tls,
        require_starttls=True,
        auth_required=True,
        authenticator=authenticate,
    )
    controller.start()
    print("ready", flush=True)
    asyncio.new_event_loop().run_forever()


main()
