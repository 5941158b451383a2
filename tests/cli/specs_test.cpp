// What the program writes is what the library gives: the same tensors, byte for byte, as quantizing in a program and
// writing with the library's own functions; and what readers find is what `dequantize` gives.

#include "program.hpp"

#include "tersor/calibrators/weight_ranges.hpp"
#include "tersor/io/bitsandbytes.hpp"
#include "tersor/io/compressed_tensors.hpp"
#include "tersor/metrics/error_metrics.hpp"
#include "tersor/quantizers/aliases.hpp"
#include "tersor/quantizers/dequantize.hpp"
#include "tersor/quantizers/mx.hpp"
#include "tersor/quantizers/quantize.hpp"

#include <algorithm>

namespace {

using namespace tersor;
using row_major = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr std::int64_t rows = 24, cols = 192;

class Specs : public testing::Test {
protected:
    void SetUp() override {
        weights = row_major(rows, cols);
        const std::vector<float> values = some_values(static_cast<std::size_t>(rows * cols), 7);
        std::ranges::copy(values, weights.data());
        make_matrix(model, rows, cols);
    }

    // The file that the program makes has these tensors with these bytes.
    void expect_equal_files(const std::string& expected) const {
        const auto made = safetensors_file::open(out), wanted = safetensors_file::open(expected);
        ASSERT_EQ(made.tensors().size(), wanted.tensors().size());
        for (const safetensors_tensor& tensor : wanted.tensors()) {
            const safetensors_tensor* const found = made.find(tensor.name);
            ASSERT_NE(found, nullptr) << tensor.name;
            EXPECT_EQ(found->dtype, tensor.dtype) << tensor.name;
            EXPECT_EQ(found->shape, tensor.shape) << tensor.name;
            EXPECT_TRUE(std::ranges::equal(found->data, tensor.data)) << tensor.name;
        }
    }

    // The figures of the report are those of the library.
    void expect_report(const std::string& spec, const error_metrics& wanted) const {
        const json::value report = read_json(json_file);
        const json::value* const entry = find_entry(report.at("tensors"), "a.weight");
        ASSERT_NE(entry, nullptr);
        EXPECT_EQ(entry->at("spec").as_string(), spec);
        EXPECT_EQ(entry->at("mse").as_double(), wanted.mse);
        EXPECT_EQ(entry->at("sqnr_db").as_double(), wanted.sqnr_db);
        EXPECT_EQ(entry->at("max_abs_error").as_double(), wanted.max_abs_error);
        EXPECT_EQ(entry->at("cosine").as_double(), wanted.cosine);
        std::uint64_t bytes = 0;
        for (const safetensors_tensor& tensor : safetensors_file::open(out).tensors()) {
            bytes += tensor.data.size();
        }
        EXPECT_EQ(entry->at("bytes_out").as_unsigned(), bytes);
        EXPECT_EQ(entry->at("bytes_in").as_unsigned(), static_cast<std::uint64_t>(rows * cols * 4));
        EXPECT_DOUBLE_EQ(entry->at("bits_per_weight").as_double(), 8.0 * static_cast<double>(bytes) / (rows * cols));
    }

    template <class Q, class Declare, class Append>
    void expect_library(const std::string& spec, quantize_options options, std::vector<std::string> more,
                        const Declare& declare, const Append& append) {
        more.insert(more.begin(), {"quantize", model, "-o", out, "--to", spec, "--json", json_file, "--force"});
        const outcome o = run(more);
        ASSERT_TRUE(o.ok()) << o.err;
        const auto q = quantize<Q>(weights, options);
        const std::string expected = folder / "expected.safetensors";
        safetensors_model_options replace;
        replace.existing = existing_target::overwrite;
        safetensors_model_writer writer(expected, declare(), replace);
        append(writer, q);
        writer.commit();
        expect_equal_files(expected);
        expect_report(spec, tersor::compare(weights, q));
        const auto read = quantized_model::open(out);
        EXPECT_EQ(read.read(read.at("a.weight")), to_vector(dequantize(q)));
        EXPECT_EQ(read.at("a.weight").spec, spec.substr(0, spec.find('@')));
    }

    template <class Q>
    void expect_compressed_tensors(const std::string& spec, quantize_options options = {}) {
        SCOPED_TRACE(spec);
        const std::vector<std::int64_t> shape{rows, cols};
        expect_library<Q>(
            spec, options, {}, [&] { return compressed_tensors::declare<Q>("a.weight", shape); },
            [](auto& writer, const auto& q) { compressed_tensors::append(writer, "a.weight", q); });
    }

    template <class Q>
    void expect_bitsandbytes(const std::string& spec, int axis = flat, std::vector<std::string> more = {}) {
        SCOPED_TRACE(spec);
        const std::vector<std::int64_t> shape{rows, cols};
        quantize_options options;
        options.axis = axis;
        bitsandbytes::write_options layout{.original = safetensors_dtype::f32, .offset = {}};
        if constexpr (requires(quantized_tensor<Q> q) { q.parameters().offset(); }) {
            if (!more.empty()) { // the reference's text has the length that its offset needs
                layout.offset = quantize<Q>(weights, options).parameters().offset();
            }
        }
        expect_library<Q>(
            spec, options, more, [&] { return bitsandbytes::declare<Q>("a.weight", shape, layout); },
            [&](auto& writer, const auto& q) { bitsandbytes::append(writer, "a.weight", q, layout); });
    }

    static std::vector<float> to_vector(const row_major& m) { return {m.data(), m.data() + m.size()}; }

    temporary_folder folder;
    std::string model = folder / "model.safetensors";
    std::string out = folder / "out.safetensors";
    std::string json_file = folder / "report.json";
    row_major weights;
};

TEST_F(Specs, SignedIntegersAreTheLibrarys) {
    expect_compressed_tensors<int8_per_channel>("int8/row");
    expect_compressed_tensors<int8_per_tensor>("int8/tensor");
    expect_compressed_tensors<int4_blockwise<64>>("int4/64");
    expect_compressed_tensors<blockwise<absmax<int3>, 16>>("int3/16");
    expect_compressed_tensors<per_channel<absmax<int5>>>("int5/row");
    quantize_options mse;
    mse.least_squares = true;
    expect_compressed_tensors<int4_blockwise<64>>("int4/64@mse", mse);
}

TEST_F(Specs, UnsignedIntegersAreTheLibrarys) {
    expect_compressed_tensors<uint8_per_channel>("uint8/row");
    expect_compressed_tensors<uint8_per_tensor>("uint8/tensor");
    expect_compressed_tensors<uint4_blockwise<64>>("uint4/64");
    expect_compressed_tensors<blockwise<zero_point<uint3>, 32>>("uint3/32");
}

TEST_F(Specs, SmallFloatsAreTheLibrarys) {
    expect_compressed_tensors<fp8_per_channel>("fp8_e4m3/row");
    expect_compressed_tensors<fp8_per_tensor>("fp8_e4m3/tensor");
    expect_compressed_tensors<blockwise<absmax<fp8_e5m2>, 32>>("fp8_e5m2/32");
    expect_compressed_tensors<mxfp4>("mxfp4");
    expect_compressed_tensors<mxfp8>("mxfp8");
    expect_compressed_tensors<compressed_tensors_nvfp4>("nvfp4");
}

TEST_F(Specs, CodebooksAreTheLibrarys) {
    expect_bitsandbytes<nf4_blockwise<64>>("nf4/64");
    expect_bitsandbytes<fp4_blockwise<32>>("fp4/32");
    expect_bitsandbytes<dynamic8_blockwise<256>>("dynamic8/256");
    expect_bitsandbytes<nf4_double_quant<64>>("nf4/64+dq");
    // 24 * 192 values: the last block of 4096 is not whole
    expect_bitsandbytes<nf4_blockwise<4096>>("nf4/4096");
    expect_bitsandbytes<dynamic8_blockwise<4096>>("dynamic8/4096");
    expect_bitsandbytes<llm_int8>("int8/row", last_axis, {"--layout", "bitsandbytes"});
}

TEST_F(Specs, ReferenceModeTakesTheCpuRuleOfBitsandbytes) {
    using cpu = bitsandbytes_cpu<dynamic8>;
    expect_bitsandbytes<blockwise<absmax<cpu>, 256>>("dynamic8/256", flat, {"--mode", "reference"});
    expect_bitsandbytes<double_quant<nf4_blockwise<32>, 256, cpu>>("nf4/32+dq", flat, {"--mode", "reference"});
}

TEST_F(Specs, CastsRoundToNearestEven) {
    for (const auto& [name, dtype] :
         {std::pair{"f16", safetensors_dtype::f16}, std::pair{"bf16", safetensors_dtype::bf16},
          std::pair{"f32", safetensors_dtype::f32}}) {
        ASSERT_TRUE(run({"quantize", model, "-o", out, "--to", name, "--force"}).ok());
        const auto file = safetensors_file::open(out);
        EXPECT_EQ(file.at("a.weight").dtype, dtype);
        const std::vector<float> found = read_floats(file.at("a.weight"));
        for (std::size_t i = 0; i < found.size(); ++i) {
            const float x = weights.data()[i];
            const float wanted = dtype == safetensors_dtype::f16    ? static_cast<float>(Eigen::half(x))
                                 : dtype == safetensors_dtype::bf16 ? static_cast<float>(Eigen::bfloat16(x))
                                                                    : x;
            ASSERT_EQ(found[i], wanted) << i;
        }
    }
}

// The values that a quantizer's scalar members give, group by group.
template <class Q>
std::vector<float> by_definition(std::span<const float> values, std::size_t group, double percent) {
    const Q q{};
    std::vector<float> result;
    for (std::size_t first = 0; first < values.size(); first += group) {
        std::vector<float> run(values.begin() + static_cast<std::ptrdiff_t>(first),
                               values.begin() + static_cast<std::ptrdiff_t>(first + group));
        auto p = q.fit(run, {});
        if (percent < 100.0) {
            // half of those left out on either side, or those of the largest magnitudes
            const auto out = static_cast<std::size_t>((100.0 - percent) / 100.0 * static_cast<double>(group));
            std::vector<float> sorted = run;
            if constexpr (tersor::affine_quantizer<Q>) {
                std::ranges::sort(sorted);
                p = q.from_range(std::min(sorted[out / 2], 0.0f), std::max(sorted[group - 1 - out / 2], 0.0f));
            } else {
                std::ranges::transform(run, sorted.begin(), [](float x) { return std::abs(x); });
                std::ranges::sort(sorted);
                p = q.from_range(-sorted[group - 1 - out], sorted[group - 1 - out]);
            }
        }
        for (const float x : run) {
            result.push_back(q.decode(q.encode(x, p), p));
        }
    }
    return result;
}

TEST_F(Specs, AnyGroupThatDividesTheRowsWorks) {
    const std::span<const float> values(weights.data(), static_cast<std::size_t>(weights.size()));
    const auto read = [&](const std::string& spec) {
        const outcome o = run({"quantize", model, "-o", out, "--to", spec, "--force"});
        EXPECT_TRUE(o.ok()) << o.err;
        const auto file = quantized_model::open(out);
        return file.read(file.at("a.weight"));
    };
    EXPECT_EQ(read("int4/3"), (by_definition<absmax<int4>>(values, 3, 100)));
    EXPECT_EQ(read("int3/6"), (by_definition<absmax<int3>>(values, 6, 100)));
    EXPECT_EQ(read("int2/1"), (by_definition<absmax<int2>>(values, 1, 100)));
    EXPECT_EQ(read("uint5/12"), (by_definition<zero_point<uint5>>(values, 12, 100)));
    EXPECT_EQ(read("uint8/96"), (by_definition<zero_point<uint8>>(values, 96, 100)));
    EXPECT_EQ(read("int7/192"), (by_definition<absmax<int7>>(values, 192, 100)));
}

TEST_F(Specs, PercentileIsAnOrderStatisticOfEachGroup) {
    const std::span<const float> values(weights.data(), static_cast<std::size_t>(weights.size()));
    const auto read = [&](const std::string& spec) {
        const outcome o = run({"quantize", model, "-o", out, "--to", spec, "--force"});
        EXPECT_TRUE(o.ok()) << o.err;
        const auto file = quantized_model::open(out);
        return file.read(file.at("a.weight"));
    };
    EXPECT_EQ(read("int8/row@percentile=95"), (by_definition<absmax<int8>>(values, 192, 95)));
    EXPECT_EQ(read("uint4/48@percentile=90.5"), (by_definition<zero_point<uint4>>(values, 48, 90.5)));
    EXPECT_EQ(read("nf4/64@percentile=50"), (by_definition<absmax<nf4>>(values, 64, 50)));
    EXPECT_EQ(read("int4/tensor@percentile=99"),
              (by_definition<absmax<int4>>(values, static_cast<std::size_t>(rows * cols), 99)));
}

TEST_F(Specs, EntropyFindsTheShareOfTheRangeThatSmallGroupsKeep) {
    const std::span<const float> values(weights.data(), static_cast<std::size_t>(weights.size()));
    ASSERT_TRUE(run({"quantize", model, "-o", out, "--to", "int4/96@kl"}).ok());
    const auto file = quantized_model::open(out);
    const std::vector<float> read = file.read(file.at("a.weight"));
    const auto shares = tersor::kl_range_of_groups<absmax<int4>>(values, 96);
    for (std::size_t first = 0; first < values.size(); first += 96) {
        const absmax<int4> q{};
        const auto range = tersor::scaled_range<absmax<int4>>(values.subspan(first, 96), shares);
        const auto p = q.from_range(range.lo, range.hi);
        for (std::size_t i = first; i < first + 96; ++i) {
            ASSERT_EQ(read[i], q.decode(q.encode(values[i], p), p)) << i;
        }
    }
}

TEST_F(Specs, RowsOfOddLengthAreWholeBytes) {
    const std::vector<float> values = some_values(11 * 13, 3);
    make_model(folder / "odd.safetensors", {{"a.weight", {11, 13}, values}});
    for (const auto& [spec, wanted] : std::vector<std::pair<std::string, std::vector<float>>>{
             {"int3/row", by_definition<absmax<int3>>(values, 13, 100)},
             {"int5/tensor", by_definition<absmax<int5>>(values, 143, 100)},
             {"uint7/tensor", by_definition<zero_point<uint7>>(values, 143, 100)},
             {"uint2/1", by_definition<zero_point<uint2>>(values, 1, 100)},
             {"int4", by_definition<absmax<int4>>(values, 13, 100)}}) {
        ASSERT_TRUE(run({"quantize", folder / "odd.safetensors", "-o", out, "--to", spec, "--force"}).ok()) << spec;
        const auto file = quantized_model::open(out);
        EXPECT_EQ(file.read(file.at("a.weight")), wanted) << spec;
    }
}

TEST_F(Specs, ThreadsDoNotChangeABit) {
    const std::string one = folder / "one.safetensors", four = folder / "four.safetensors";
    for (const char* const spec : {"int8/row", "uint4/64", "nf4/64+dq", "mxfp4", "int4/32@mse"}) {
        ASSERT_TRUE(run({"quantize", model, "-o", one, "--to", spec, "--threads", "1", "--force"}).ok());
        ASSERT_TRUE(run({"quantize", model, "-o", four, "--to", spec, "--threads", "4", "--force"}).ok());
        EXPECT_EQ(temporary_folder::read(one), temporary_folder::read(four)) << spec;
    }
}

} // namespace
