// A quantizer of your own: a struct of five members, and everything else works with it.
//
// This one lays sixteen steps evenly from the smallest to the largest value of a group: unlike tersor::zero_point its
// grid need not hold zero, which suits values that are far from it.

#include <tersor/tersor.hpp>

#include <algorithm>
#include <cstdio>
#include <span>

struct even_steps {
    using format = tersor::uint4;                             // what a code is, and so how it is packed
    static constexpr tersor::index group = tersor::whole_row; // which values share parameters

    struct parameters { // what is stored for them
        float lowest;
        float step;
        friend bool operator==(const parameters&, const parameters&) = default;
    };

    parameters fit(std::span<const float> values, std::span<const float>) const {
        const auto [low, high] = std::ranges::minmax(values);
        return {low, (high - low) / 15.0f};
    }
    format::code_type encode(float value, parameters p) const noexcept {
        return format::encode(p.step > 0.0f ? (value - p.lowest) / p.step : 0.0f);
    }
    float decode(format::code_type code, parameters p) const noexcept {
        // exact::product: the same bits on machines with and without fused multiply-add
        return p.lowest + tersor::exact::product(format::decode(code), p.step);
    }

    friend bool operator==(const even_steps&, const even_steps&) = default;
};
static_assert(tersor::quantizer<even_steps>);

int main() {
    // values between 7 and 8
    const Eigen::MatrixXf weights = Eigen::MatrixXf::Random(64, 512).array() * 0.5f + 7.5f;

    const auto own = tersor::quantize<tersor::blockwise<even_steps, 128>>(weights);
    const auto usual = tersor::quantize<tersor::blockwise<tersor::zero_point<tersor::uint4>, 128>>(weights);
    const Eigen::MatrixXf back = tersor::dequantize(own);
    const double own_sqnr = tersor::compare(weights, own).sqnr_db;
    const double usual_sqnr = tersor::compare(weights, usual).sqnr_db;

    std::printf("values from 7 to 8 in 4 bits: zero_point %.1f dB, even_steps %.1f dB, %.2f bits per weight\n",
                usual_sqnr, own_sqnr, own.bits_per_weight());
    const bool is_close = (back - weights).cwiseAbs().maxCoeff() <= 0.5f / 15.0f + 1e-5f;
    return is_close && own_sqnr > usual_sqnr + 15.0 ? 0 : 1;
}
