#include "gguf_command.hpp"

#include "cancellation.hpp"
#include "gguf_plan.hpp"
#include "output.hpp"
#include "progress.hpp"
#include "usage.hpp"

#include "tersor/formats/convert.hpp"
#include "tersor/formats/half.hpp"
#include "tersor/io/gguf_writer.hpp"
#include "tersor/io/imatrix.hpp"
#include "tersor/io/llama_rotary.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace cli {

namespace {

tersor::quantize_mode mode_of(const quantize_arguments& arguments) {
    return arguments.mode == "reference" ? tersor::quantize_mode::reference
           : arguments.mode == "fast"    ? tersor::quantize_mode::fast
                                         : tersor::quantize_mode::best;
}

// Writes one tensor after the other, with memory that is used again.
class gguf_output {
public:
    gguf_output(const gguf_plan& plan, const model& from, const quantize_arguments& arguments, const threads& workers)
        : from_(from), mode_(mode_of(arguments)), workers_(workers), with_histograms_(!arguments.html.empty()),
          progress_(from.data_bytes(), arguments.quiet),
          out_(arguments.output, tersor::gguf_layout(plan.declarations(), plan.metadata),
               arguments.force ? tersor::existing_target::overwrite : tersor::existing_target::refuse) {}

    // `entry` is null for kept tensors.
    void write(const planned_gguf_tensor& t, tensor_report* entry) {
        check_cancelled();
        if (t.source == nullptr) {
            return out_.append(t.name, t.values);
        }
        progress_.start(t.source->name, t.source->bytes);
        if (t.is_copy() || !t.source->is_readable) { // what is not readable is integers
            copy_bytes(*t.source, [&](std::span<const std::byte> bytes) { out_.append(t.name, bytes); });
        } else {
            encode(t, entry);
        }
        release_pages(*t.source);
        progress_.finish();
    }

    void commit() {
        check_cancelled();
        out_.commit();
    }

private:
    void encode(const planned_gguf_tensor& t, tensor_report* entry) {
        values_.resize(static_cast<std::size_t>(t.source->elements()));
        from_.read(*t.source, values_, workers_.run());
        release_pages(*t.source);
        if (t.is_chosen) {
            require_finite(t.source->name, t.shape, values_);
        }
        if (t.heads != 0) {
            tersor::llama::interleave_rotary_rows(std::span<float>(values_), t.shape.front(), t.heads);
        }
        if (t.type == tersor::gguf_type::f32) {
            decoded_ = values_;
            out_.append(t.name, values_);
        } else if (t.type == tersor::gguf_type::f16) {
            cast<tersor::fp16>(t);
        } else if (t.type == tersor::gguf_type::bf16) {
            cast<tersor::bf16>(t);
        } else {
            quantize(t);
        }
        if (entry != nullptr) {
            entry->errors = measure(t.shape, values_, decoded_, workers_.run());
            if (with_histograms_) {
                add_histograms(*entry, values_, decoded_);
            }
        }
    }

    template <class Half>
    void cast(const planned_gguf_tensor& t) {
        std::vector<std::uint16_t> codes(values_.size());
        decoded_.resize(values_.size());
        tersor::encode<Half>(values_, codes);
        tersor::decode<Half>(codes, decoded_);
        out_.append(t.name, codes);
    }

    void quantize(const planned_gguf_tensor& t) {
        const gguf_codec* const codec = find_gguf_codec(t.type);
        if (codec == nullptr) {
            throw usage_error("'" + t.source->name + "' becomes " + std::string(tersor::to_string(t.type)) +
                              ", which is not available");
        }
        blocks_.resize(tersor::bytes_of(t.declaration()));
        decoded_.resize(values_.size());
        const auto columns = static_cast<std::size_t>(t.shape.back());
        encode_rows(*codec, values_, columns, t.importance, mode_, blocks_,
                    workers_.run([&](double done) { progress_.update(0.8 * done); }));
        decode_rows(*codec, blocks_, decoded_, workers_.run());
        out_.append(t.name, blocks_);
    }

    const model& from_;
    tersor::quantize_mode mode_;
    const threads& workers_;
    bool with_histograms_;
    progress_bar progress_;
    tersor::gguf_writer out_;
    std::vector<float> values_;
    std::vector<float> decoded_;
    std::vector<std::byte> blocks_;
};

} // namespace

report quantize_to_gguf(const model& from, const quantize_arguments& arguments, const threads& workers) {
    std::optional<tersor::imatrix> importance;
    if (!arguments.importance.empty()) {
        importance = tersor::read_imatrix(arguments.importance);
    }
    const gguf_plan plan = make_gguf_plan(from, importance ? &*importance : nullptr, arguments);
    report r = plan.report();
    if (arguments.dry_run) {
        return r;
    }
    require_free(arguments.output, arguments.force);
    gguf_output out(plan, from, arguments, workers);
    auto entry = r.tensors.begin();
    for (const planned_gguf_tensor& t : plan.tensors) {
        out.write(t, t.is_chosen ? &*entry++ : nullptr);
    }
    out.commit();
    return r;
}

} // namespace cli
