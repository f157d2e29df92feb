//! The folder of a store: made durable with all that leads to it, and taken by one process alone.

use crate::error::StoreError;
use crate::segment;
use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

/// Nobody but the node's own user may look inside: these are patients' images.
fn make_folder(folder: &Path) -> io::Result<()> {
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !is_there(folder)).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // The name of each of them, and of those only: the parent of one that was there may be closed
    // to us.
    for made in missing {
        match made.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            Some(parent) => File::open(parent)?.sync_all()?,
            None => File::open(".")?.sync_all()?,
        }
    }
    Ok(())
}

fn is_there(folder: &Path) -> bool {
    folder.as_os_str().is_empty() || folder.is_dir()
}

/// Makes the folders where they are missing and locks them.
pub(crate) fn take_folder(store: &Path) -> Result<Arc<File>, StoreError> {
    for folder in [store, &segment::folder(store)] {
        make_folder(folder).map_err(StoreError::file(folder))?;
    }
    let path = store.join(segment::LOCK);
    let options = File::options().create(true).truncate(false).write(true).open(&path);
    let lock = options.map_err(StoreError::file(&path))?;
    match lock.try_lock() {
        Ok(()) => Ok(Arc::new(lock)),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(store.to_owned())),
        Err(TryLockError::Error(source)) => Err(StoreError::File { path, source }),
    }
}
