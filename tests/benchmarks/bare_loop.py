"""The smallest agent loop that the standard library can do: no sandbox, no journal. usage: bare_loop.py URL"""

import http.client
import json
import subprocess
import sys
from urllib.parse import urlsplit

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "",
            "parameters": {"type": "object", "properties": {key: {"type": "string"} for key in keys}},
        },
    }
    for name, keys in (("bash", ("command",)), ("finish", ("title", "summary")))
]


def ask(connection: http.client.HTTPConnection, path: str, messages: list[dict[str, object]]) -> dict[str, str]:
    body = {
        "model": "scripted-mistral",
        "messages": messages,
        "tools": TOOLS,
        "stream": True,
        "max_tokens": 1000,
        "reasoning_effort": "high",
    }
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    call = {"id": "", "name": "", "arguments": ""}
    for line in connection.getresponse():
        if not line.startswith(b"data: {"):
            continue
        for choice in json.loads(line[6:])["choices"]:
            for piece in choice["delta"].get("tool_calls", ()):
                call["id"] = call["id"] or piece.get("id", "")
                call["name"] += piece["function"].get("name") or ""
                call["arguments"] += piece["function"].get("arguments") or ""
    return call


def main() -> None:
    url = urlsplit(sys.argv[1])
    connection = http.client.HTTPConnection(url.hostname or "", url.port)
    messages: list[dict[str, object]] = [
        {"role": "system", "content": "Act."},
        {"role": "user", "content": "Do nothing."},
    ]
    while True:
        call = ask(connection, f"{url.path}/chat/completions", messages)
        if call["name"] == "finish":
            return
        command = json.loads(call["arguments"])["command"]
        ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
        function = {"name": call["name"], "arguments": call["arguments"]}
        asked = {"id": call["id"], "type": "function", "function": function}
        messages.append({"role": "assistant", "content": "", "tool_calls": [asked]})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": ran.stdout or f"exit {ran.returncode}"})


if __name__ == "__main__":
    main()
