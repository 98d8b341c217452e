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

/// Opens a file that only serves as a lock, and makes it if it is missing.
pub(crate) fn open_lock(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Allows only the owner to read and write a file of ours that has secrets. The mode of a file of
/// another owner stays as it is: whoever made it has decided who may read it, such as an
/// orchestrator that gives it to our group.
#[cfg(unix)]
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    let file = fs::metadata(path)?;
    let ours = file.uid() == rustix::process::geteuid().as_raw();
    match privacy(file.mode(), ours) {
        Privacy::Enough => {}
        Privacy::Mend => match fs::set_permissions(path, fs::Permissions::from_mode(0o600)) {
            Ok(()) => tracing::warn!(
                path = %path.display(),
                "a file with secrets was open to others; its mode is now 0600"
            ),
            Err(error) => tracing::warn!(
                path = %path.display(), %error,
                "a file with secrets is open to others, and its mode can't be changed"
            ),
        },
        Privacy::Missing => tracing::warn!(
            path = %path.display(),
            "a file with secrets can be read by everybody on this machine"
        ),
    }
    Ok(())
}

/// Does nothing: on this system the access rules of the folder apply.
#[cfg(not(unix))]
pub(crate) fn make_private(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Who may read a file with secrets.
#[cfg(unix)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Privacy {
    /// Only those who should.
    Enough,
    /// More than the owner, which is us.
    Mend,
    /// More than owner and group, and the owner is somebody else.
    Missing,
}

#[cfg(unix)]
fn privacy(mode: u32, ours: bool) -> Privacy {
    match (mode & 0o070 != 0, mode & 0o007 != 0) {
        (_, true) if !ours => Privacy::Missing,
        (true, _) | (_, true) if ours => Privacy::Mend,
        _ => Privacy::Enough,
    }
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

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn the_mode_of_a_file_is_the_owners_to_choose() {
        for (mode, ours, expected) in [
            (0o100_600, true, Privacy::Enough),
            (0o100_400, true, Privacy::Enough),
            (0o100_640, true, Privacy::Mend),
            (0o100_604, true, Privacy::Mend),
            (0o100_600, false, Privacy::Enough),
            (0o100_640, false, Privacy::Enough),
            (0o100_660, false, Privacy::Enough),
            (0o100_644, false, Privacy::Missing),
            (0o100_602, false, Privacy::Missing),
        ] {
            assert_eq!(privacy(mode, ours), expected, "{mode:o} {ours}");
        }
    }
}
