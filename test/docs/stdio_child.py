"""A program that reads its step's tokens in Python; run by stdio-example.test.ts."""

# region read
import json
import os
import threading
import urllib.request


class Credentials:
    """The newest token for each audience. A thread takes them as they come, so that none waits unread until it is old."""

    def __init__(self):
        self._tokens = {}
        self._ended = False
        self._news = threading.Condition()
        threading.Thread(target=self._take, daemon=True).start()

    def token(self, audience):
        with self._news:
            self._news.wait_for(lambda: self._ended or audience in self._tokens)
            if self._ended:
                raise RuntimeError("the step has ended")
            return self._tokens[audience]

    def _take(self):
        with open(int(os.environ["STINT_CREDENTIAL_FD"])) as lines:
            for line in lines:
                if line.endswith("\n"):
                    self._tell(json.loads(line))
        self._tell(None)

    def _tell(self, credential):
        with self._news:
            if credential is None:
                self._ended = True
            else:
                self._tokens[credential["audience"]] = credential["token"]
            self._news.notify_all()


credentials = Credentials()
resource = os.environ["RESOURCE"]
headers = {"Authorization": f"Bearer {credentials.token(resource)}"}
with urllib.request.urlopen(urllib.request.Request(resource, headers=headers)) as response:
    print(response.read().decode())
# endregion
