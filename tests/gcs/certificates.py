"""A certificate authority of the tests, for clients that know no endpoint."""

import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HOSTS = ('storage.googleapis.com', 'www.googleapis.com')
_PEM = serialization.Encoding.PEM


def _named(name: str) -> x509.Name:
  return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _certificate(
  name: str,
  key: ec.EllipticCurvePrivateKey,
  signer: ec.EllipticCurvePrivateKey,
  extensions: tuple[tuple[x509.ExtensionType, bool], ...],
) -> x509.Certificate:
  now = datetime.datetime.now(datetime.UTC)
  builder = (
    x509.CertificateBuilder()
    .subject_name(_named(name))
    .issuer_name(_named('authority of the tests'))
    .public_key(key.public_key())
    .serial_number(x509.random_serial_number())
    .not_valid_before(now - datetime.timedelta(days=1))
    .not_valid_after(now + datetime.timedelta(days=2))
  )
  for extension, critical in extensions:
    builder = builder.add_extension(extension, critical)
  return builder.sign(signer, hashes.SHA256())


def make(folder: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
  """Writes the authority's certificate, and a server's with its key."""
  authority, server = (ec.generate_private_key(ec.SECP256R1()) for _ in '12')
  may = dict.fromkeys(
    (
      *('digital_signature', 'content_commitment', 'key_encipherment'),
      *('data_encipherment', 'key_agreement', 'encipher_only'),
      'decipher_only',
    ),
    False,
  )
  usage = x509.KeyUsage(**may, key_cert_sign=True, crl_sign=True)
  own = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())
  top = _certificate(
    'authority of the tests',
    authority,
    authority,
    (
      (x509.BasicConstraints(ca=True, path_length=None), True),
      (usage, True),
      (own, False),
    ),
  )
  issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(
    authority.public_key()
  )
  names = x509.SubjectAlternativeName([x509.DNSName(host) for host in HOSTS])
  leaf = _certificate(
    HOSTS[0],
    server,
    authority,
    (
      (x509.BasicConstraints(ca=False, path_length=None), True),
      (issuer, False),
      (names, False),
    ),
  )
  key = server.private_bytes(
    _PEM,
    serialization.PrivateFormat.PKCS8,
    serialization.NoEncryption(),
  )
  ca_file, server_file = folder / 'authority.pem', folder / 'server.pem'
  ca_file.write_bytes(top.public_bytes(_PEM))
  server_file.write_bytes(key + leaf.public_bytes(_PEM))
  return ca_file, server_file
