//! Attention in a module of your own: every position learns to say the number at the marked one.
#![expect(clippy::print_stdout, reason = "an example shows its result")]
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Gradients, Tensor};
use regard_nn::{AttentionMask, Init, Key, Linear, MultiHeadAttentionConfig, Pass};

#[derive(Module, Debug)]
struct Reader {
    input: Linear,
    attention: regard_nn::MultiHeadSelfAttention,
}
struct Descent(Gradients);
impl ModuleMapper for Descent {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = param.val().grad(&self.0).expect("a gradient");
        param.map(|value| (value.inner() - gradient * 0.5).autodiff().require_grad())
    }
}
fn main() {
    let device = Device::flex().autodiff();
    let init = Init::new(1, &device);
    let input = Linear::new(2, 16, &init.at("input"));
    let attention = MultiHeadAttentionConfig::new(16, 2).init_self(&init.at("attention"));
    let mut reader = Reader { input, attention };
    let (mask, pass) = (AttentionMask::none(), Pass::evaluation());
    let marks = Tensor::<2>::eye(7, &device).repeat_dim(0, 10); // [70, 7]
    for step in 0..=300 {
        let numbers: Vec<f64> = (0..490).map(|i| Key::new(step).normal(i)).collect();
        let numbers = Tensor::<1>::from_floats(&numbers[..], &device).reshape([70, 7]);
        let answer = (numbers.clone() * marks.clone()).sum_dim(1); // [70, 1]
        let x = Tensor::stack::<3>(vec![numbers, marks.clone()], 2).reshape([490, 2]);
        let x = reader.input.forward(x).reshape([70, 7, 16]);
        let y = reader.attention.forward(x, &mask, &pass).context; // [70, 7, 16]
        let loss = (y.mean_dim(2).reshape([70, 7]) - answer).square().mean();
        let error: f32 = loss.clone().into_scalar();
        println!("step {step}: mean squared error {error:.4}");
        assert!(step < 300 || error < 0.01, "it should have learned this");
        reader = reader.map(&mut Descent(loss.backward()));
    }
}
