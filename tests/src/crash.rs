//! What tests of crashes share: a disk whose power can be cut, and how long to go on.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Gives how often to repeat: a small sample for every change, times `SEALWAX_CRASH_ROUNDS` for long runs.
pub fn rounds(small: u64) -> u64 {
    let times = std::env::var("SEALWAX_CRASH_ROUNDS").ok().and_then(|times| times.parse().ok()).unwrap_or(1);
    small.saturating_mul(times)
}

/// A small ext4 disk in a file, whose power can be cut.
pub struct Disk {
    image: PathBuf,
    mount_point: PathBuf,
}

impl Disk {
    /// Makes and mounts a disk in a directory, or says that what needs it is skipped.
    pub fn new(directory: &Path) -> Option<Self> {
        let disk = Self { image: directory.join("disk.img"), mount_point: directory.join("disk") };
        fs::create_dir(&disk.mount_point).expect("a mount point");
        fs::File::create(&disk.image).and_then(|image| image.set_len(64 << 20)).expect("an image");
        if quiet(Command::new("mkfs.ext4").arg("-q").arg(&disk.image)) && disk.mount() {
            if disk.shut_down() && disk.remount() {
                return Some(disk);
            }
            disk.unmount();
        }
        eprintln!(
            "skipped: power cuts (they need the superuser, loop devices, mkfs.ext4, and xfs_io or python3)"
        );
        None
    }

    /// Gives the directory that the disk is mounted on.
    pub fn path(&self) -> &Path {
        &self.mount_point
    }

    /// Drops everything that was not flushed; whoever still writes gets errors from here on.
    pub fn cut_power(&self) {
        assert!(self.shut_down(), "no power cut");
    }

    /// Brings a disk back after a power cut. No process may have it open any more.
    pub fn restore_power(&self) {
        assert!(self.remount(), "no mount after the cut");
    }

    /// The call EXT4_IOC_SHUTDOWN, without flushing the journal, by whatever program there is that makes it.
    fn shut_down(&self) -> bool {
        let script = "import fcntl, os, struct, sys; \
                      fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";
        quiet(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(&self.mount_point))
            || quiet(Command::new("python3").args(["-c", script]).arg(&self.mount_point))
    }

    fn mount(&self) -> bool {
        quiet(Command::new("mount").args(["-o", "loop"]).arg(&self.image).arg(&self.mount_point))
    }

    fn remount(&self) -> bool {
        quiet(Command::new("umount").arg(&self.mount_point)) && self.mount()
    }

    fn unmount(&self) {
        quiet(Command::new("umount").arg("-l").arg(&self.mount_point));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.unmount();
    }
}

fn quiet(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
