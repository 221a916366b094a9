"""A FastAPI service that takes Countersign's access tokens: no call for a request, and a logout is
felt within two seconds.

AUTH_URL=http://localhost:8000 uvicorn app:app --port 9000
"""

import os
from typing import Annotated

from countersign_verify import HasPerm, Identity
from countersign_verify.fastapi import Countersign
from fastapi import Depends, FastAPI

app = FastAPI()
auth = Countersign(
    # What tokens say in `iss`, and where Countersign is reached from here, if that differs.
    os.environ.get("AUTH_ISSUER") or os.environ.get("AUTH_URL", "http://localhost:8000"),
    url=os.environ.get("AUTH_URL"),
    # The name that they say in `aud`, if Countersign is configured to say one.
    audience=os.environ.get("AUTH_AUDIENCE"),
    # What a group may. With Countersign's `extra_claims = ["groups"]` a token names the groups of
    # its user, and stays short however many permissions these have.
    groups={"editors": ["articles.add", "articles.publish"], "authors": ["articles.add"]},
    app=app,
)


@app.get("/me")
async def me(who: Annotated[Identity, Depends(auth)]):
    return {"user": who.user.id}


@app.post("/notes", status_code=201)
async def write(who: Annotated[Identity, Depends(auth)]):
    return {"by": who.user.id}


may_publish = auth.requires(HasPerm("articles.publish"))


@app.post("/articles", status_code=201)
async def publish(who: Annotated[Identity, Depends(may_publish)]):
    return {"by": who.user.id}
