//! Files that only their owner may read. Each is written as a whole or not at all.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use tempfile::NamedTempFile;

/// Creates a folder and its parents, for the owner only. A folder that exists stays as it is.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Creates a file of mode 0600. A file that exists stays as it is.
pub(crate) fn create_private(path: &Path, text: &str) -> io::Result<()> {
    match staged(path, text)?.persist_noclobber(path) {
        Ok(_) => Ok(()),
        Err(failed) if failed.error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(failed) => Err(failed.error),
    }
}

/// Replaces a file by one of mode 0600.
pub(crate) fn replace_private(path: &Path, text: &str) -> io::Result<()> {
    staged(path, text)?.persist(path)?;
    Ok(())
}

/// Allows only the owner to read and write a file.
#[cfg(unix)]
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if fs::metadata(path)?.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!(path = %path.display(), "a file with secrets was open to others; its mode is now 0600");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))
}

/// Does nothing: on this system the access rules of the folder apply.
#[cfg(not(unix))]
pub(crate) fn make_private(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Writes the text to a temporary file in the folder of `path`, and to the disk. Temporary files
/// have mode 0600.
fn staged(path: &Path, text: &str) -> io::Result<NamedTempFile> {
    let dir = path
        .parent()
        .filter(|dir| !dir.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = NamedTempFile::new_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    Ok(file)
}
