//! What hashing and manifests cost in instructions, and small files in system calls, which unlike time are the same on a busy
//! machine.
//!
//! Callgrind counts what runs, but knows neither AVX-512 nor the SHA extensions. Of the kernels that use these the instructions are
//! counted where they stand, in the program that `objdump` reads, those in loops more than those outside.
//!
//! `cost.baseline` holds what was counted last; more than 15 % above it fails. The figures are those of the compiler that it names,
//! and of the profile that tests are built with. Where they are meant to change, this writes them anew:
//!
//! ```text
//! $ SEALWAX_WRITE_BASELINE=1 cargo test -p sealwax-tests --test cost
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr
)]

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use sealwax_tests::{Sandbox, peer};

#[test]
fn no_work_costs_15_percent_more_instructions_than_before() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cost.baseline");
    let Some(compiler) = first_line(Command::new("rustc").arg("--version")) else {
        return eprintln!("skipped: instructions (no rustc to ask for its version)");
    };
    if first_line(Command::new("valgrind").arg("--version")).is_none() {
        return eprintln!("skipped: instructions (no valgrind)");
    }
    if cfg!(not(target_arch = "x86_64")) {
        return eprintln!("skipped: instructions (the baseline is for x86-64)");
    }
    let mut counts = ["lanes", "manifest"].map(|work| (work, instructions(&[work]))).to_vec();
    match listing() {
        Some(listing) => {
            counts.extend(KERNELS.map(|(kernel, function)| (kernel, weight(&listing, function))))
        }
        None => eprintln!("skipped: instructions of the kernels (no objdump)"),
    }
    if env::var_os("SEALWAX_WRITE_BASELINE").is_some() {
        let lines: Vec<String> = counts.iter().map(|(work, count)| format!("{work} {count}\n")).collect();
        fs::write(&file, format!("{compiler}\n{}", lines.concat())).unwrap();
    }
    let baseline = fs::read_to_string(&file).unwrap();
    if baseline.lines().next() != Some(&compiler) {
        return eprintln!("skipped: instructions (the baseline is of another compiler than {compiler})");
    }
    for (work, count) in counts {
        let before = baseline.lines().find_map(|line| line.strip_prefix(work)?.trim().parse::<u64>().ok());
        let before = before.unwrap_or_else(|| panic!("no baseline of {work}"));
        eprintln!("{work}: {count} instructions, {before} before");
        assert!(count <= before + before * 15 / 100, "{work}: {count} instructions, {before} before");
    }
}

#[test]
fn a_manifest_four_times_as_long_costs_about_four_times_as_much() {
    if first_line(Command::new("valgrind").arg("--version")).is_none() {
        return eprintln!("skipped: instructions of a long manifest (no valgrind)");
    }
    let [short, long] = ["1000", "4000"].map(|files| instructions(&["manifest", files]));
    eprintln!("manifest: {short} instructions for 1000 files, {long} for 4000");
    assert!(long < short * 9 / 2, "{short} instructions for 1000 files, {long} for 4000");
}

/// One look at it, opening, reading, another look, closing.
#[test]
fn a_small_file_costs_five_system_calls() {
    if peer("strace").is_none() {
        return;
    }
    let sandbox = Sandbox::new();
    let calls = |files: u32, command: &str| {
        let model = format!("m{files}");
        let bundle = format!("{model}.sig");
        for number in 0..files {
            let path = sandbox.at(&model).join(format!("f{number}"));
            if !path.exists() {
                sandbox.write(&path, b"small");
            }
        }
        let report = sandbox.at("calls");
        let sealwax = sandbox.command([command, model.as_str(), "--signature", bundle.as_str()]);
        let mut strace = Command::new("strace");
        strace.args(["--follow-forks", "--summary-only", "--output"]).arg(&report);
        strace.arg("--trace=%file,%desc").arg(sealwax.get_program()).args(sealwax.get_args());
        strace.current_dir(sandbox.path()).env("HOME", sandbox.at("home"));
        assert!(strace.status().unwrap().success());
        let text = fs::read_to_string(report).unwrap();
        // Without optimisation, Rust's library asks `fcntl` about each handle that it closes.
        let rows = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let rows = rows.filter(|row| row.last().is_some_and(|name| !["total", "fcntl"].contains(name)));
        let calls = rows.filter_map(|row| row.get(3)?.parse::<u32>().ok()).sum::<u32>();
        assert!(calls > files, "{text}");
        calls
    };
    sandbox.ok(["instance", "init"]);
    for command in ["sign", "verify"] {
        let [few, many] = [1_000, 2_000].map(|files| calls(files, command));
        eprintln!("{command}: {few} system calls for 1000 files, {many} for 2000");
        // A few more list the directory and write the longer statement.
        assert!(many - few <= 5_100, "{command}: {few} system calls for 1000 files, {many} for 2000");
    }
}

#[test]
fn the_weight_of_a_function_sees_an_instruction_more_in_a_loop() {
    let listing = "\
0000000000001000 <room::kernel::compress>:
    1000:\tpush   %rbp
    1001:\tvpxord %zmm0,%zmm0,%zmm0
    1004:\tvpaddd %zmm0,%zmm1,%zmm1
    1008:\tjne    1004 <room::kernel::compress+0x4>
    100a:\tjmp    1001 <room::kernel::compress+0x1>
    100c:\tret

0000000000002000 <room::other::compress>:
    2000:\tret
";
    // Two outside of all loops, two in one, two in both.
    assert_eq!(weight(listing, "kernel::compress"), 2 + 2 * 4 + 2 * 16);
    let slower =
        listing.replace("    1004:", "    1003:\tnop\n    1004:").replace("jne    1004", "jne    1003");
    assert_eq!(weight(&slower, "kernel::compress"), 2 + 2 * 4 + 3 * 16);
    assert_eq!(weight(listing, "other::compress"), 1);
}

/// Reads the machine code of `cost`.
fn listing() -> Option<String> {
    let output = Command::new("objdump")
        .args(["--disassemble", "--demangle", "--no-show-raw-insn", env!("CARGO_BIN_EXE_cost")])
        .output()
        .ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Counts the instructions of a function: one for each, four times as many for each loop around it. A loop is what lies between
/// a jump back and where it leads.
fn weight(listing: &str, function: &str) -> u64 {
    let start = listing.find(&format!("{function}>:\n")).unwrap_or_else(|| panic!("no {function}"));
    let hexadecimal = |text: &str| u64::from_str_radix(text, 16).ok();
    let mut instructions = Vec::new();
    let mut loops = Vec::new();
    for line in listing[start..].lines().skip(1).take_while(|line| !line.is_empty()) {
        let Some((address, text)) = line.trim_start().split_once(":\t") else { continue };
        let address = hexadecimal(address).unwrap();
        let mut words = text.split_whitespace();
        let jumps = words.next().is_some_and(|name| name.starts_with('j'));
        let target = words.next().and_then(hexadecimal).filter(|&target| jumps && target <= address);
        loops.extend(target.map(|target| target..=address));
        instructions.push(address);
    }
    let around = |address: &u64| loops.iter().filter(|range| range.contains(address)).count();
    instructions.iter().map(|address| 4_u64.pow(around(address).try_into().unwrap())).sum()
}

/// Counts the instructions of a run of `cost`.
fn instructions(work: &[&str]) -> u64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", env!("CARGO_BIN_EXE_cost")])
        .args(work)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let count = said.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok());
    count.unwrap_or_else(|| panic!("no count: {said}"))
}

fn first_line(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().next()?.to_owned())
}

/// The kernels by the names that the baseline has for them, and their functions.
const KERNELS: [(&str, &str); 2] = [
    ("kernel-avx512", "sealwax_sha256_lanes::avx512::compress"),
    ("kernel-sha-extensions", "sealwax_sha256_lanes::sha_extensions::compress"),
];
