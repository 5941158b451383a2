#ifndef TERSOR_BENCH_GGUF_BLOCKS_HPP
#define TERSOR_BENCH_GGUF_BLOCKS_HPP

// What ggml reaches with its block formats on one thread, in GB/s of fp32, measured on the machine of the targets; and
// its SQNR in dB on 2^20 values of N(0,1), the better of its results without weights and with equal ones.

#include <tersor/quantizers/gguf.hpp>

#include <array>

namespace bench {

struct ggml_figures {
    double quantize_speed; ///< 0 where none was measured
    double sqnr;           ///< 0 where none was measured
};

template <class Quantizer>
inline constexpr ggml_figures ggml{0, 0};

template <> inline constexpr ggml_figures ggml<tersor::gguf::q4_0>{2.7, 21.777};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q4_1>{3.3, 23.121};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q5_0>{1.3, 27.878};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q5_1>{2.3, 29.435};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q8_0>{.9, 45.447};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q8_1>{0, 45.447};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q8_k>{0, 43.144};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q2_k>{.054, 11.443};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q3_k>{.29, 16.806};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q4_k>{.049, 23.015};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q5_k>{.057, 29.035};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q6_k>{.108, 35.246};
template <> inline constexpr ggml_figures ggml<tersor::gguf::iq4_nl>{.016, 22.518};
template <> inline constexpr ggml_figures ggml<tersor::gguf::iq4_xs>{.016, 22.44};
template <> inline constexpr ggml_figures ggml<tersor::gguf::iq2_xxs>{0, 9.281};
template <> inline constexpr ggml_figures ggml<tersor::gguf::iq2_xs>{0, 10.466};
template <> inline constexpr ggml_figures ggml<tersor::gguf::iq2_s>{.015, 12.085};
template <> inline constexpr ggml_figures ggml<tersor::gguf::iq3_xxs>{.006, 14.819};
template <> inline constexpr ggml_figures ggml<tersor::gguf::iq3_s>{.009, 17.283};
template <> inline constexpr ggml_figures ggml<tersor::gguf::iq1_s>{0, 6.285};
template <> inline constexpr ggml_figures ggml<tersor::gguf::iq1_m>{0, 6.925};
template <> inline constexpr ggml_figures ggml<tersor::gguf::tq1_0>{0, 1.849};
template <> inline constexpr ggml_figures ggml<tersor::gguf::tq2_0>{0, 1.849};
template <> inline constexpr ggml_figures ggml<tersor::gguf::mxfp4>{.73, 18.783};
template <> inline constexpr ggml_figures ggml<tersor::gguf::nvfp4>{0, 20.432};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q1_0>{0, 4.438};
template <> inline constexpr ggml_figures ggml<tersor::gguf::q2_0>{0, 2.88};

/// Calls visit.template operator()<Quantizer>() for each quantizer of a list.
template <class Visitor, class... Quantizers>
void for_each(tersor::gguf::quantizer_list<Quantizers...>, Visitor&& visit) {
    (visit.template operator()<Quantizers>(), ...);
}

} // namespace bench

#endif // TERSOR_BENCH_GGUF_BLOCKS_HPP
