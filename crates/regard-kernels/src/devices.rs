//! Devices by name.

use std::fmt::{self, Display, Formatter};
use std::sync::LazyLock;

#[cfg(feature = "cubecl")]
use burn::backend::DispatchDevice;
#[cfg(feature = "cuda")]
use burn::backend::RuntimeId;
#[cfg(feature = "cubecl")]
use burn::tensor::DeviceType;
use burn::tensor::{DType, Device};
use thiserror::Error;

/// What computes. All are known by name; which ones are there was decided when the program was compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The processor, with the operations of this crate. The fastest there.
    Flex,
    /// The processor, with plain loops: for comparison.
    Ndarray,
    /// A GPU through whatever its system offers: Vulkan, Metal, DirectX.
    Wgpu,
    /// A GPU through Vulkan and SPIR-V.
    Vulkan,
    /// A GPU by NVIDIA.
    Cuda,
}

impl Backend {
    /// All that have a name.
    pub const ALL: [Self; 5] = [
        Self::Flex,
        Self::Ndarray,
        Self::Wgpu,
        Self::Vulkan,
        Self::Cuda,
    ];

    /// As in `--device` and among the features of Cargo.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flex => "flex",
            Self::Ndarray => "ndarray",
            Self::Wgpu => "wgpu",
            Self::Vulkan => "vulkan",
            Self::Cuda => "cuda",
        }
    }

    /// Whether the feature of its name was on.
    pub fn is_compiled(self) -> bool {
        match self {
            Self::Flex => cfg!(feature = "flex"),
            Self::Ndarray => cfg!(feature = "ndarray"),
            Self::Wgpu => cfg!(feature = "wgpu"),
            Self::Vulkan => cfg!(feature = "vulkan"),
            Self::Cuda => cfg!(feature = "cuda"),
        }
    }

    /// Its devices on this machine, GPUs on cards of their own first. None where the driver is missing.
    fn devices(self) -> Vec<Device> {
        match self {
            #[cfg(feature = "flex")]
            Self::Flex => vec![Device::flex()],
            #[cfg(feature = "ndarray")]
            Self::Ndarray => {
                #[expect(deprecated, reason = "there as long as burn has it")]
                let device = Device::ndarray();
                vec![device]
            }
            #[cfg(feature = "wgpu")]
            Self::Wgpu => enumerate(DeviceType::Wgpu),
            #[cfg(feature = "vulkan")]
            Self::Vulkan => enumerate(DeviceType::Vulkan),
            #[cfg(feature = "cuda")]
            Self::Cuda => enumerate(DeviceType::Cuda),
            #[allow(unreachable_patterns, reason = "not with every feature")]
            _ => Vec::new(),
        }
    }

    /// What to do where it has no device.
    fn hint(self) -> &'static str {
        match self {
            Self::Flex | Self::Ndarray => "",
            Self::Wgpu => {
                "install the graphics driver of the card; without a card, a software Vulkan driver (Mesa 25 or later)"
            }
            Self::Vulkan => {
                "install the Vulkan loader and the driver of the card; without a card, a software driver (Mesa 25 or later)"
            }
            Self::Cuda => {
                "install NVIDIA's driver, 525 or later, and look whether `nvidia-smi` shows the card"
            }
        }
    }
}

impl Display for Backend {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a name is no device.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeviceError {
    /// No backend is called so.
    #[error(
        "unknown device `{name}`; expected one of: {}, and which of several as in `wgpu:0`",
        compiled()
    )]
    Unknown {
        /// As it was given.
        name: String,
    },
    /// The feature was not on.
    #[error(
        "device `{backend}` was not compiled in; build with `cargo build --release --features {backend}`"
    )]
    NotCompiled {
        /// Which.
        backend: Backend,
    },
    /// It has no device here.
    #[error("`{backend}` found no device on this machine; {}", backend.hint())]
    NoneFound {
        /// Which.
        backend: Backend,
    },
    /// It has fewer devices.
    #[error(
        "there is no device `{backend}:{index}`; expected a number below {found}, the devices found: see `regard devices`"
    )]
    NoSuchIndex {
        /// Which.
        backend: Backend,
        /// What was asked for.
        index: usize,
        /// How many there are.
        found: usize,
    },
    /// Kernels could not be compiled at run time.
    #[error(
        "`cuda` found no headers of the CUDA toolkit; install them, and set CUDA_PATH to the folder that has `include`"
    )]
    NoCudaHeaders,
    /// One is needed.
    #[error("expected one device, got {count} in `{name}`")]
    Several {
        /// As it was given.
        name: String,
        /// How many.
        count: usize,
    },
}

fn compiled() -> String {
    let compiled = Backend::ALL.iter().filter(|backend| backend.is_compiled());
    compiled
        .map(|backend| backend.name())
        .collect::<Vec<_>>()
        .join(", ")
}

/// The device of that name, without autodiff: `flex`, `wgpu`, `cuda:1`. Without a number it is the first.
///
/// # Errors
///
/// If the name is no device's, its backend was not compiled in, or the device or its driver is missing; also if there are
/// several.
///
/// ```
/// use burn::tensor::Device;
/// use regard_kernels::{Backend, DeviceError, device};
/// assert_eq!(device("flex"), Ok(Device::flex()));
/// let error = DeviceError::NoSuchIndex { backend: Backend::Flex, index: 3, found: 1 };
/// assert_eq!(device("flex:3"), Err(error));
/// ```
pub fn device(name: &str) -> Result<Device, DeviceError> {
    let mut devices = devices(name)?;
    match (devices.pop(), devices.len()) {
        (Some(device), 0) => Ok(device),
        (_, others) => Err(DeviceError::Several {
            name: name.into(),
            count: others + 1,
        }),
    }
}

/// The devices of a name with several numbers, `cuda:0,1`, in that order; a number may stand there twice.
///
/// # Errors
///
/// Those of [`device`], but for the last.
pub fn devices(name: &str) -> Result<Vec<Device>, DeviceError> {
    let unknown = || DeviceError::Unknown { name: name.into() };
    let (backend, indices) = match name.split_once(':') {
        None => (name, vec![0]),
        Some((backend, indices)) => {
            let indices = indices.split(',').map(str::parse);
            (
                backend,
                indices.collect::<Result<_, _>>().map_err(|_| unknown())?,
            )
        }
    };
    let named = |known: &Backend| known.name() == backend;
    let backend = Backend::ALL.into_iter().find(named).ok_or_else(unknown)?;
    if !backend.is_compiled() {
        return Err(DeviceError::NotCompiled { backend });
    }
    let found = backend.devices();
    if found.is_empty() {
        return Err(DeviceError::NoneFound { backend });
    }
    if backend == Backend::Cuda && !has_cuda_headers() {
        return Err(DeviceError::NoCudaHeaders);
    }
    let at = |index: usize| {
        found.get(index).cloned().ok_or(DeviceError::NoSuchIndex {
            backend,
            index,
            found: found.len(),
        })
    };
    indices.into_iter().map(at).collect()
}

/// The device that the environment variable `REGARD_DEVICE` names, or `flex` where it is not set: what tests and examples
/// compute on.
///
/// # Errors
///
/// Those of [`device`].
pub fn device_of_environment() -> Result<Device, DeviceError> {
    static DEVICE: LazyLock<Result<Device, DeviceError>> = LazyLock::new(|| {
        let name = std::env::var("REGARD_DEVICE");
        device(name.as_deref().unwrap_or("flex"))
    });
    DEVICE.clone()
}

/// A device of this machine.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundDevice {
    /// As [`device`] takes it.
    pub name: String,
    /// What computes.
    pub backend: Backend,
    /// The part, as its driver calls it.
    pub part: String,
    /// Memory in bytes that it can be asked for, where it tells.
    pub memory: Option<u64>,
    /// Float types that it computes with.
    pub float_types: Vec<&'static str>,
}

/// Every device of every backend that was compiled in. Opens them.
pub fn found_devices() -> Vec<FoundDevice> {
    let mut all = Vec::new();
    for backend in Backend::ALL {
        let found = backend.devices();
        let several = found.len() > 1;
        for (index, device) in found.iter().enumerate() {
            let (part, memory) = part(device);
            let name = if several {
                format!("{backend}:{index}")
            } else {
                backend.name().into()
            };
            all.push(FoundDevice {
                name,
                backend,
                part,
                memory,
                float_types: float_types(device),
            });
        }
    }
    all
}

fn float_types(device: &Device) -> Vec<&'static str> {
    [
        ("f64", DType::F64),
        ("f32", DType::F32),
        ("f16", DType::F16),
        ("bf16", DType::BF16),
    ]
    .into_iter()
    .filter(|&(_, dtype)| device.supports_dtype(dtype))
    .map(|(name, _)| name)
    .collect()
}

/// Whether it is the default backend's.
pub(crate) fn is_flex(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    return *device == Device::flex();
    #[cfg(not(feature = "flex"))]
    {
        let _ = device;
        false
    }
}

/// Whether it computes by itself, in a memory of its own: what stands on the host must be moved there, and what is read back waited for.
pub fn is_gpu(device: &Device) -> bool {
    #[cfg(feature = "cubecl")]
    {
        let inner = device.clone().without_autodiff();
        matches!(inner.as_dispatch(), DispatchDevice::Cube(_))
    }
    #[cfg(not(feature = "cubecl"))]
    {
        let _ = device;
        false
    }
}

/// Whether it is a GPU by NVIDIA, and addressed as one.
#[cfg(feature = "cuda")]
pub(crate) fn is_cuda(device: &Device) -> bool {
    let inner = device.clone().without_autodiff();
    matches!(inner.as_dispatch(), DispatchDevice::Cube(device) if device.runtime() == RuntimeId::Cuda)
}

/// Name and memory.
fn part(device: &Device) -> (String, Option<u64>) {
    #[cfg(feature = "cubecl")]
    if let DispatchDevice::Cube(device) = device.as_dispatch() {
        let client = device.client();
        let properties = client.properties();
        let memory = properties.memory.max_memory();
        return (properties.identity.name.clone(), memory);
    }
    let _ = device;
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let cores = match cores {
        1 => "1 core".into(),
        cores => format!("{cores} cores"),
    };
    (format!("processor, {cores}"), machine_memory())
}

/// Bytes, where the system tells.
fn machine_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib << 10)
}

/// The devices of that type, cards first and software last. Those of a kind keep their order.
#[cfg(feature = "cubecl")]
fn enumerate(of: DeviceType) -> Vec<Device> {
    let mut devices = Device::enumerate(of).into_vec();
    devices.sort_by_key(|device| match device.as_dispatch() {
        DispatchDevice::Cube(device) => device.to_id().type_id,
        #[allow(unreachable_patterns, reason = "not without another backend")]
        _ => 0,
    });
    devices
}

/// Where cubecl looks for them when it compiles its first kernel; it panics where there are none.
fn has_cuda_headers() -> bool {
    if std::env::var_os("CUDA_PATH").is_some() {
        return true;
    }
    ["/usr/local/cuda", "/opt/cuda", "/usr/bin/nvcc"]
        .iter()
        .any(|path| std::path::Path::new(path).exists())
        || cfg!(windows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_backends_with_numbers() {
        for name in ["", "gpu", "flex:", "flex:one", "flex:0,", "Flex", "flex:-1"] {
            let expected = DeviceError::Unknown { name: name.into() };
            assert_eq!(devices(name), Err(expected.clone()), "{name}");
            assert!(expected.to_string().contains("flex"), "{expected}");
        }
        let flex = Device::flex();
        assert_eq!(devices("flex:0,0"), Ok(vec![flex.clone(), flex]));
        let several = DeviceError::Several {
            name: "flex:0,0".into(),
            count: 2,
        };
        assert_eq!(device("flex:0,0"), Err(several));
    }

    #[test]
    fn what_was_not_compiled_in_says_how_to_compile_it() {
        for backend in Backend::ALL {
            if backend.is_compiled() {
                continue;
            }
            let error = device(backend.name()).unwrap_err();
            assert_eq!(error, DeviceError::NotCompiled { backend });
            let command = format!("--features {backend}`");
            assert!(error.to_string().ends_with(&command), "{error}");
        }
    }

    #[test]
    fn what_is_found_has_a_name_that_gives_a_device() {
        let found = found_devices();
        for one in &found {
            assert!(device(&one.name).is_ok(), "{one:?}");
            assert!(one.float_types.contains(&"f32"), "{one:?}");
        }
        assert_eq!(found[0].name, "flex");
    }

    /// Also where the driver is missing: a sentence, never a panic.
    #[test]
    fn what_is_compiled_in_is_there_or_says_what_is_missing() {
        for backend in Backend::ALL {
            match device(&format!("{backend}:64")) {
                Ok(device) => panic!("{backend}: {device:?}"),
                Err(DeviceError::NoSuchIndex { index: 64, .. }) => {}
                Err(DeviceError::NotCompiled { .. }) => assert!(!backend.is_compiled()),
                Err(error @ DeviceError::NoneFound { .. }) => {
                    assert!(error.to_string().contains("; install"), "{error}");
                }
                Err(error) => assert_eq!(error, DeviceError::NoCudaHeaders),
            }
        }
    }
}
