//! TLS 1.3 with raw public keys (RFC 7250), pinned to the replicas' ed25519 keys.

use std::sync::Arc;

use quorate_protocol::{AgentKey, PublicKey};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, ring, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::AlwaysResolvesServerRawPublicKeys;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, ServerConfig,
    SignatureScheme,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::error::NodeError;

/// The DER of an ed25519 SubjectPublicKeyInfo (RFC 8410 section 4) up to the 32 bytes of the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The DER of an ed25519 PKCS #8 private key (RFC 8410 section 7) up to the 32 bytes of the secret.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The key that this node proves, and the means to check the others'.
#[derive(Debug)]
pub(super) struct Identity {
    key: Arc<CertifiedKey>,
    provider: Arc<CryptoProvider>,
}

impl Identity {
    /// The identity of an agent's key.
    pub(super) fn new(key: &AgentKey) -> Result<Self, NodeError> {
        let mut pkcs8 = PKCS8_PREFIX.to_vec();
        pkcs8.extend_from_slice(&key.secret());
        let signer = ring::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8)).map_err(tls_error)?;
        let key = CertifiedKey::new(vec![CertificateDer::from(spki(&key.public()))], signer);
        Ok(Self { key: Arc::new(key), provider: Arc::new(ring::default_provider()) })
    }

    /// What dials a replica whose key is `key`, and nobody else.
    pub(super) fn dialer(&self, key: &PublicKey) -> Result<TlsConnector, NodeError> {
        let mut config = ClientConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(tls_error)?
            .dangerous()
            .with_custom_certificate_verifier(self.pins(vec![*key]))
            .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(self.key.clone())));
        config.enable_sni = false;
        // Every connection proves the key again; a ticket would stand for a proof of the past.
        config.resumption = Resumption::disabled();
        Ok(TlsConnector::from(Arc::new(config)))
    }

    /// What accepts the replicas whose keys are `keys`, and nobody else.
    pub(super) fn acceptor(&self, keys: impl Iterator<Item = PublicKey>) -> Result<TlsAcceptor, NodeError> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(&[&TLS13])
            .map_err(tls_error)?
            .with_client_cert_verifier(self.pins(keys.collect()))
            .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(self.key.clone())));
        config.send_tls13_tickets = 0;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    fn pins(&self, keys: Vec<PublicKey>) -> Arc<Pins> {
        Arc::new(Pins { keys, algorithms: self.provider.signature_verification_algorithms })
    }
}

/// The name in a client's hello. Keys are what counts, so it is the same for all and never sent.
pub(super) fn server_name() -> ServerName<'static> {
    ServerName::try_from("replica").expect("a single label is a DNS name")
}

/// The key that the other end of a finished handshake has proved.
pub(super) fn proven_key(certificates: Option<&[CertificateDer<'_>]>) -> Option<PublicKey> {
    key_of_spki(certificates?.first()?)
}

fn spki(key: &PublicKey) -> Vec<u8> {
    [&SPKI_PREFIX[..], &key.0].concat()
}

fn key_of_spki(spki: &[u8]) -> Option<PublicKey> {
    spki.strip_prefix(&SPKI_PREFIX)?.try_into().ok().map(PublicKey)
}

fn tls_error(error: Error) -> NodeError {
    NodeError::Tls(error.to_string())
}

/// Accepts exactly the ends that prove one of `keys`.
#[derive(Debug)]
struct Pins {
    keys: Vec<PublicKey>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Pins {
    fn check(&self, spki: &[u8]) -> Result<(), Error> {
        match key_of_spki(spki) {
            Some(key) if self.keys.contains(&key) => Ok(()),
            _ => Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure)),
        }
    }

    fn check_signature(
        &self,
        message: &[u8],
        spki: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let spki = SubjectPublicKeyInfoDer::from(spki.as_ref());
        verify_tls13_signature_with_raw_key(message, &spki, signature, &self.algorithms)
    }
}

/// For the methods that a configuration of TLS 1.3 alone never calls.
fn no_tls12<T>() -> Result<T, Error> {
    Err(Error::General("replicas speak TLS 1.3 only".into()))
}

impl ServerCertVerifier for Pins {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.check(end_entity).map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

impl ClientCertVerifier for Pins {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.check(end_entity).map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        no_tls12()
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.check_signature(message, cert, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_der() {
        let key = AgentKey::from_secret(&[9; 32]).public();
        assert_eq!(key_of_spki(&spki(&key)), Some(key));
        assert_eq!(key_of_spki(&spki(&key)[1..]), None);
        assert_eq!(key_of_spki(&[&spki(&key)[..], &[0]].concat()), None);
    }

    #[test]
    fn the_signer_of_the_pkcs8_has_the_public_key() {
        let key = AgentKey::from_secret(&[9; 32]);
        let identity = Identity::new(&key).unwrap();
        assert_eq!(identity.key.key.public_key().unwrap().as_ref(), spki(&key.public()));
    }
}
