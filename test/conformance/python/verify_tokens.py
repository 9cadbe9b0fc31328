"""Reads tokens, one a line, and says of each what PyJWT makes of it: its claims, or the name of the error."""

import json
import sys

import jwt

from stint_tokens import StintTokens

issuer, audience, *cafile = sys.argv[1:]
tokens = StintTokens(issuer, audience, *cafile)
for line in sys.stdin:
    try:
        answer = {"claims": tokens.verify(line.strip())}
    except jwt.PyJWTError as refused:
        answer = {"error": type(refused).__name__}
    print(json.dumps(answer), flush=True)
