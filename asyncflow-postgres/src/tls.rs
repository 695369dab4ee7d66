//! How connections are kept from others: by TLS, where the feature is on and the URL and the server want it.

#[cfg(feature = "tls")]
pub(crate) use self::rustls::Tls;

#[cfg(not(feature = "tls"))]
pub(crate) use tokio_postgres::NoTls as Tls;

#[cfg(feature = "tls")]
mod rustls {
    use std::{
        io,
        pin::Pin,
        sync::{Arc, OnceLock},
        task::{Context, Poll},
    };

    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
    use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
    use tokio_rustls::{
        TlsConnector,
        client::TlsStream as Stream,
        rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName},
    };

    /// Trusts whom the system trusts (`SSL_CERT_FILE` and `SSL_CERT_DIR` name others), and always asks for a certificate of the host's name.
    #[derive(Clone, Copy)]
    pub(crate) struct Tls;

    impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
        type Stream = Encrypted<S>;
        type TlsConnect = Host;
        type Error = io::Error;

        fn make_tls_connect(&mut self, host: &str) -> io::Result<Host> {
            // A socket of this machine has no name, and needs none as long as nobody asks for TLS there.
            Ok(Host(ServerName::try_from(host.to_owned()).ok()))
        }
    }

    /// A host that is to prove its name.
    pub(crate) struct Host(Option<ServerName<'static>>);

    impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Host {
        type Stream = Encrypted<S>;
        type Error = io::Error;
        type Future = Pin<Box<dyn Future<Output = io::Result<Encrypted<S>>> + Send>>;

        fn connect(self, stream: S) -> Self::Future {
            Box::pin(async move {
                let nameless = || io::Error::new(io::ErrorKind::InvalidInput, "a host without a name can prove none");
                Ok(Encrypted(connector()?.connect(self.0.ok_or_else(nameless)?, stream).await?))
            })
        }
    }

    /// Made once: the system's certificates are read from files.
    fn connector() -> io::Result<TlsConnector> {
        static CONNECTOR: OnceLock<Result<TlsConnector, String>> = OnceLock::new();
        let make = || {
            let mut roots = RootCertStore::empty();
            let found = rustls_native_certs::load_native_certs();
            if roots.add_parsable_certificates(found.certs).0 == 0 {
                return Err(format!("the system has no certificates to trust: {:?}", found.errors));
            }
            let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()
                .map_err(|error| error.to_string())?;
            Ok(TlsConnector::from(Arc::new(config.with_root_certificates(roots).with_no_client_auth())))
        };
        CONNECTOR.get_or_init(make).clone().map_err(io::Error::other)
    }

    pub(crate) struct Encrypted<S>(Stream<S>);

    impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
        fn channel_binding(&self) -> ChannelBinding {
            ChannelBinding::none()
        }
    }

    impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_read(context, buffer)
        }
    }

    impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
        fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
            Pin::new(&mut self.0).poll_write(context, buffer)
        }

        fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_flush(context)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
            Pin::new(&mut self.0).poll_shutdown(context)
        }
    }
}
