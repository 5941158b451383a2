#ifndef TERSOR_TESTS_QUANTIZERS_CODEC_TYPES_HPP
#define TERSOR_TESTS_QUANTIZERS_CODEC_TYPES_HPP

// Every quantizer that the suite of codec_suite.hpp runs over, one a line, by family: a new one is one more line here.
// With TERSOR_TEST_FEWER_TYPES every third one, for builds in which they take long: what a sanitizer looks for depends
// less on the type than on the sizes, which stay.

#include "tersor/formats/bitsandbytes_cpu.hpp"
#include "tersor/formats/e8m0.hpp"
#include "tersor/formats/fp6.hpp"
#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/compressed_tensors.hpp"
#include "tersor/quantizers/modelopt.hpp"
#include "tersor/quantizers/mx.hpp"
#include "tersor/quantizers/nvfp4.hpp"

#include <Eigen/Core>
#include <gtest/gtest.h>

namespace codec_types {

using namespace tersor;
using Eigen::bfloat16;
using Eigen::half;

template <class... Ts>
struct bag;

/// The types of `Rest` of which `Skip` and then two are left out, behind those of `Chosen`.
template <class Chosen, int Skip, class... Rest>
struct every_third;
template <class... Chosen, int Skip>
struct every_third<bag<Chosen...>, Skip> {
    using type = testing::Types<Chosen...>;
};
template <class... Chosen, class First, class... Rest>
struct every_third<bag<Chosen...>, 0, First, Rest...> : every_third<bag<Chosen..., First>, 2, Rest...> {};
template <class... Chosen, int Skip, class First, class... Rest>
requires(Skip > 0) struct every_third<bag<Chosen...>, Skip, First, Rest...>
    : every_third<bag<Chosen...>, Skip - 1, Rest...> {
};

#ifdef TERSOR_TEST_FEWER_TYPES
template <class... Ts>
using types = typename every_third<bag<>, 0, Ts...>::type;
#else
template <class... Ts>
using types = testing::Types<Ts...>;
#endif

using signed_integers = types<             //
    blockwise<absmax<int2>, 32>,           //
    blockwise<absmax<int3>, 7>,            //
    blockwise<absmax<int4>, 16>,           //
    blockwise<absmax<int4, half>, 128>,    //
    blockwise<absmax<int5>, 64>,           //
    blockwise<absmax<int6, bfloat16>, 16>, //
    blockwise<absmax<int7, e8m0>, 32>,     //
    absmax<int8>,                          //
    per_channel<absmax<int8, bfloat16>>,   //
    blockwise<absmax<int8>, 64>,           //
    blockwise<absmax<int8, half>, 7>>;

using other_integers = types<                                //
    blockwise<absmax<int2, float, integer_range::full>, 16>, //
    blockwise<absmax<int4, float, integer_range::full>, 32>, //
    blockwise<absmax<int8, half, integer_range::full>, 64>,  //
    per_channel<absmax<int3, float, integer_range::full>>,   //
    blockwise<absmax<uint2>, 64>,                            //
    blockwise<absmax<uint3>, 16>,                            //
    per_channel<absmax<uint4>>,                              //
    blockwise<absmax<uint5, half>, 32>,                      //
    blockwise<absmax<uint6>, 7>,                             //
    blockwise<absmax<uint7>, 128>,                           //
    blockwise<absmax<uint8>, 32>>;

using signed_zero_points = types<              //
    blockwise<zero_point<int2>, 16>,           //
    blockwise<zero_point<int3>, 64>,           //
    blockwise<zero_point<int4, half>, 32>,     //
    blockwise<zero_point<int5>, 7>,            //
    per_channel<zero_point<int6>>,             //
    blockwise<zero_point<int7, bfloat16>, 64>, //
    zero_point<int8>,                          //
    blockwise<zero_point<int8>, 128>>;

using unsigned_zero_points = types<            //
    blockwise<zero_point<uint2>, 32>,          //
    blockwise<zero_point<uint3, half>, 16>,    //
    blockwise<zero_point<uint4>, 128>,         //
    per_channel<zero_point<uint4>>,            //
    blockwise<zero_point<uint5>, 64>,          //
    blockwise<zero_point<uint6, bfloat16>, 7>, //
    blockwise<zero_point<uint7>, 32>,          //
    zero_point<uint8>,                         //
    blockwise<zero_point<uint8, half>, 64>>;

using codebooks = types<                          //
    blockwise<absmax<nf4>, 64>,                   //
    per_channel<absmax<nf4, half>>,               //
    blockwise<absmax<nf4, bfloat16>, 16>,         //
    double_quant<blockwise<absmax<nf4>, 32>, 4>,  //
    blockwise<absmax<fp4>, 128>,                  //
    double_quant<per_channel<absmax<fp4>>>,       //
    blockwise<absmax<fp4, e8m0>, 7>,              //
    absmax<dynamic8>,                             //
    blockwise<absmax<dynamic8>, 64>,              //
    blockwise<absmax<dynamic8_unsigned>, 32>,     //
    double_quant<blockwise<absmax<int8>, 16>, 3>, //
    blockwise<absmax<bitsandbytes_cpu<dynamic8>>, 32>>;

using floats = types<                        //
    absmax<fp8_e4m3>,                        //
    blockwise<absmax<fp8_e4m3, half>, 32>,   //
    per_channel<absmax<fp8_e5m2>>,           //
    blockwise<absmax<fp8_e5m2, e8m0>, 16>,   //
    blockwise<absmax<fp8_e4m3fnuz>, 64>,     //
    blockwise<absmax<fp8_e5m2fnuz>, 7>,      //
    blockwise<absmax<fp6_e2m3>, 32>,         //
    per_channel<absmax<fp6_e3m2, bfloat16>>, //
    blockwise<absmax<fp4_e2m1>, 16>,         //
    blockwise<absmax<fp4_e2m1, bfloat16>, 128>>;

using block_formats = types<                             //
    mxfp4,                                               //
    mx<fp4_e2m1, mx_scaling::ceil>,                      //
    mx<fp8_e4m3, mx_scaling::even>,                      //
    mx<fp6_e2m3, mx_scaling::best>,                      //
    mxfp6_e3m2,                                          //
    mxfp8_e5m2,                                          //
    nvfp4,                                               //
    nvfp4_single,                                        //
    modelopt_mxfp4,                                      //
    modelopt_nvfp4,                                      //
    blockwise<compressed_tensors_absmax<int4>, 32>,      //
    per_channel<compressed_tensors_absmax<int8, half>>,  //
    blockwise<compressed_tensors_zero_point<int4>, 128>, //
    compressed_tensors_zero_point<int8, bfloat16>>;

} // namespace codec_types

#endif // TERSOR_TESTS_QUANTIZERS_CODEC_TYPES_HPP
