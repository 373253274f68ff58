//! The bytes of one file: they go on where they broke off, and get their name when they are what they should be.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    path::Path,
    thread,
};

use sha1::{Digest, Sha1};
use ureq::{Body, http::Response};

use super::{
    Event,
    http::{Client, Failure, Meta, pause},
};
use crate::{
    checkpoint::sha256_file,
    error::{Error, Result},
};

/// Tries without a byte of progress.
const MOST_FAILURES: u32 = 5;
/// Bytes that are written at once.
const BLOCK: usize = 1 << 18;

/// A file that is to be fetched.
pub(super) struct Transfer<'a> {
    pub client: &'a Client<'a>,
    pub file: &'a str,
    pub meta: &'a Meta,
    pub watch: &'a dyn Fn(Event),
}

impl Transfer<'_> {
    /// Fetches all of it into `blob`; what has arrived lies beside it until it is whole, for this process or the next.
    pub fn run(&self, blob: &Path) -> Result<()> {
        let mut name = blob.as_os_str().to_owned();
        name.push(".incomplete");
        let partial = Path::new(&name);
        (self.watch)(Event::File(self.file, self.meta.size));
        let is_resumed = self.receive(partial)? > 0;
        if let Err(error) = self.check(partial) {
            fs::remove_file(partial).map_err(|error| Error::write(partial, &error))?;
            if !is_resumed {
                return Err(error);
            }
            // What was there from last time may have been at fault.
            (self.watch)(Event::Note(&format!("{} is fetched again: it did not go on from what was there", self.file)));
            self.receive(partial)?;
            self.check(partial).inspect_err(|_| drop(fs::remove_file(partial)))?;
        }
        fs::rename(partial, blob).map_err(|error| Error::write(blob, &error))
    }

    /// Receives until all bytes are there; returns how many there were before.
    fn receive(&self, partial: &Path) -> Result<u64> {
        let fail = |error: io::Error| Error::write(partial, &error);
        let mut file = File::options().create(true).append(true).open(partial).map_err(fail)?;
        let length = |file: &File| file.metadata().map(|found| found.len()).map_err(fail);
        let before = length(&file)?;
        let mut failures = 0;
        loop {
            let start = length(&file)?;
            match self.once(&mut file, partial, start) {
                Ok(()) => break,
                Err(failure) => {
                    failures = if length(&file)? > start { 1 } else { failures + 1 };
                    if !failure.passes || failures >= MOST_FAILURES {
                        return Err(failure.error);
                    }
                    thread::sleep(failure.pause.unwrap_or_else(|| pause(failures - 1)));
                }
            }
        }
        file.sync_all().map_err(fail)?;
        Ok(before)
    }

    /// One request for the bytes that are not there yet.
    fn once(&self, file: &mut File, partial: &Path, mut from: u64) -> Result<(), Failure> {
        let (size, fail) = (self.meta.size, |error: io::Error| Error::write(partial, &error));
        if from > size {
            file.set_len(0).map_err(fail)?;
            from = 0;
        }
        if from == size {
            return Ok(());
        }
        let response = self.client.get(&self.meta.commit, self.file, from)?;
        let begins = begins_at(&response);
        if begins != Some(from) {
            // A server that knows no ranges, or has another file: all of it.
            file.set_len(0).map_err(fail)?;
            if begins != Some(0) {
                return Err(Failure::passing(self.wrong("other bytes than were asked for")));
            }
            from = 0;
        }
        let announced = response.body().content_length();
        if announced.is_some_and(|announced| announced != size - from) {
            return Err(self.wrong(&format!("{} bytes", from + announced.unwrap_or(0))).into());
        }
        self.copy(response, file, partial, from)
    }

    fn copy(&self, response: Response<Body>, file: &mut File, partial: &Path, mut at: u64) -> Result<(), Failure> {
        let mut body = response.into_body().into_reader().take(self.meta.size - at);
        let mut block = vec![0; BLOCK];
        (self.watch)(Event::At(at));
        while at < self.meta.size {
            let n = match body.read(&mut block) {
                Ok(0) => return Err(Failure::passing(self.broken(at, "the server hung up"))),
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::passing(self.broken(at, &error.to_string()))),
            };
            file.write_all(&block[..n]).map_err(|error| Error::write(partial, &error))?;
            at += n as u64;
            (self.watch)(Event::At(at));
        }
        Ok(())
    }

    /// Whether the bytes are those that the hub has named.
    fn check(&self, partial: &Path) -> Result<()> {
        let (hash, size) = (self.meta.hash.as_str(), self.meta.size);
        let is_hexadecimal = hash.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (kind, found) = match hash.len() {
            64 if is_hexadecimal => ("SHA-256", sha256_file(partial)?),
            40 if is_hexadecimal => ("git hash", git_hash(partial)?),
            _ => {
                let (file, host) = (self.file, self.client.host());
                let text = format!("{host} names no hash of {file}: its {size} bytes are taken as they are");
                (self.watch)(Event::Note(&text));
                return Ok(());
            }
        };
        match found.eq_ignore_ascii_case(hash) {
            true => Ok(()),
            false => Err(self.wrong(&format!("{kind} {found} instead of {hash}"))),
        }
    }

    fn wrong(&self, found: &str) -> Error {
        let (file, size, host) = (self.file, self.meta.size, self.client.host());
        let remedy = "nothing of it is kept; try again, and look at HF_ENDPOINT and at proxies if it stays so";
        Error::Data(format!("{file}: expected {size} bytes from {host}, found {found}; {remedy}"))
    }

    fn broken(&self, at: u64, why: &str) -> Error {
        let (file, size, host) = (self.file, self.meta.size, self.client.host());
        Error::Io(format!(
            "{file}: {host} broke off after {at} of {size} bytes: {why}; run the same command, which goes on from there"
        ))
    }
}

/// The place of the first byte of an answer.
fn begins_at(response: &Response<Body>) -> Option<u64> {
    match response.status().as_u16() {
        200 => Some(0),
        206 => {
            let range = response.headers().get("content-range")?.to_str().ok()?;
            range.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
        }
        _ => None,
    }
}

/// Git's name of a file: SHA-1 of its kind, its length and its bytes.
fn git_hash(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|error| Error::read(path, &error))?;
    let mut hash = Sha1::new();
    hash.update(format!("blob {}\0", bytes.len()));
    hash.update(&bytes);
    Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
