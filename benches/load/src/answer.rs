//! What a server answered: just as much of HTTP as the servers that are measured speak.

pub(crate) struct Answer<'a> {
    pub(crate) code: u16,
    pub(crate) body: &'a [u8],
}

impl<'a> Answer<'a> {
    /// The answer that these bytes are, once they are all there.
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let start = find(bytes, b"\r\n\r\n")? + 4;
        let code = std::str::from_utf8(bytes.get(9..12)?).ok()?.parse().ok()?;
        let header = |name: &str| {
            bytes[..start].split(|byte| *byte == b'\n').find_map(|line| {
                let (key, value) = line.split_at_checked(name.len())?;
                key.eq_ignore_ascii_case(name.as_bytes()).then(|| String::from_utf8_lossy(value).trim().to_owned())
            })
        };
        let body = &bytes[start..];
        let length = if matches!(code, 204 | 304) {
            0
        } else if header("transfer-encoding:").is_some() {
            // None of these servers sends this inside of a body.
            find(body, b"0\r\n\r\n")? + 5
        } else {
            header("content-length:").and_then(|length| length.parse().ok()).unwrap_or(0)
        };
        Some(Self { code, body: body.get(..length)? })
    }

    /// Whether the body has these bytes in it.
    pub(crate) fn says(&self, what: &[u8]) -> bool {
        find(self.body, what).is_some()
    }

    /// The job's id.
    pub(crate) fn id(&self) -> Option<[u8; 36]> {
        let name = b"\"RequestId\":";
        let value = &self.body[find(self.body, name)? + name.len()..];
        value.trim_ascii_start().strip_prefix(b"\"")?.first_chunk().copied()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
