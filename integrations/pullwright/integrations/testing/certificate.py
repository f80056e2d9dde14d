"""A throwaway TLS certificate for loopback, made by the ``openssl`` program."""

from __future__ import annotations

import secrets
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from pullwright.agents.errors import ConfigError

_CONFIG = """\
[req]
distinguished_name = name
x509_extensions = extensions
prompt = no
[name]
CN = Pullwright rehearsal {number}
[extensions]
basicConstraints = critical, CA:TRUE
keyUsage = critical, digitalSignature, keyCertSign
subjectAltName = IP:127.0.0.1, DNS:localhost
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """Where the certificate and its key are; clients take ``certificate`` as their CA file."""

    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """Return what a server socket is wrapped with."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    """Make a certificate for 127.0.0.1 and localhost, valid for two days.

    Raises:
        ConfigError: There is no ``openssl`` program, or it failed.
    """
    program = shutil.which("openssl")
    if program is None:
        raise ConfigError("the rehearsal needs the 'openssl' program for its certificate; install the openssl package")
    result = Certificate(certificate=folder / "certificate.pem", key=folder / "key.pem")
    # An own configuration file, because the system's may add extensions or be missing.
    config = folder / "openssl.cnf"
    # A name of its own, because of two with one name in a file of trusted certificates only one would be found.
    config.write_text(_CONFIG.format(number=secrets.token_hex(8)))
    command = [program, "req", "-x509", "-config", str(config), "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    command += ["-keyout", str(result.key), "-out", str(result.certificate)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if done.returncode != 0:
        reason = " ".join(done.stderr.split())[-300:]
        raise ConfigError(f"{program!r} could not make a certificate: {reason}; run the command by hand to see why")
    result.key.chmod(0o600)
    return result
