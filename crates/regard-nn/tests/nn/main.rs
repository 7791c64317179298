//! What every model and layer of the crate is held to: laws first, then PyTorch's numbers, then learning.

mod attention;
mod blocks;
mod case;
mod choices;
mod formula;
mod kinds;
mod laws;
mod layers;
mod learning;
mod parity;
mod parts;
mod positions;
mod refusals;
mod rnn;
mod rnn_parity;
mod sampling;
mod sentences;
mod transformer;

/// Where the tests compute: on what the environment variable `REGARD_DEVICE` names.
fn device() -> burn::tensor::Device {
    regard_kernels::device_of_environment().expect("`REGARD_DEVICE` names a device")
}

/// What a law allows that holds to `on_the_processor` there: twice that on a GPU, whose exponentials are its driver's. The laws that
/// need it ask for it; all others hold to the same tolerance everywhere.
fn tolerance(on_the_processor: f64) -> f64 {
    if regard_kernels::is_gpu(&device()) {
        return 2.0 * on_the_processor;
    }
    on_the_processor
}

/// Whether that device has exponentials and logarithms in f64. Shaders have none: a driver that takes f64 may compute them in f32, or
/// give NaN, and laws that allow only the rounding of f64 do not apply there.
fn has_doubles() -> bool {
    static FOUND: std::sync::LazyLock<bool> = std::sync::LazyLock::new(|| {
        let device = device();
        if !device.supports_dtype(burn::tensor::DType::F64) {
            return false;
        }
        let third = burn::tensor::TensorData::from([1.0_f64 / 3.0]);
        let x = burn::tensor::Tensor::<1>::from_data(third, (&device, burn::tensor::DType::F64));
        let off: f64 = (x.clone().exp().log() - x).abs().into_scalar();
        off < 1e-14
    });
    *FOUND
}

#[test]
fn the_processor_has_doubles() {
    assert!(has_doubles() || regard_kernels::is_gpu(&device()));
}
