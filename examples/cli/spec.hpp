#ifndef TERSOR_EXAMPLES_CLI_SPEC_HPP
#define TERSOR_EXAMPLES_CLI_SPEC_HPP

// What a tensor becomes, as the command line spells it: FORMAT[/GROUP][+dq][@CALIBRATOR].

#include "tersor/core/concepts.hpp"
#include "tersor/io/gguf_types.hpp"
#include "tersor/io/recipe.hpp"

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cli {

/// How the codes of a format come about.
enum class family : std::uint8_t {
    absmax,     ///< intN: a scale
    zero_point, ///< uintN: a scale and a zero point
    codebook,   ///< nf4, fp4, dynamic8: bitsandbytes' blocks along the flat tensor
    small_float,
    mx,
    nvfp4,
    plain, ///< f32, f16, bf16: values without a scale
    gguf,  ///< a block format of GGUF files
    recipe ///< one of them for each tensor, as llama.cpp chooses
};

/// One number format that the program knows.
struct format_info {
    std::string_view name;
    cli::family family;
    int bits;
    tersor::index group; ///< values per group where the command line names none; whole_row, whole_tensor or 0 for plain
    std::string_view what;
};

/// All formats, in the order of the help.
[[nodiscard]] std::span<const format_info> all_formats() noexcept;

/// How the range of a group is found.
struct calibrator {
    enum class method : std::uint8_t { max, percentile, mse, kl };
    method how = method::max;
    double percent = 100.0;
    friend bool operator==(const calibrator&, const calibrator&) = default;
};

/// A parsed SPEC.
struct spec {
    const format_info* format = nullptr;
    tersor::index group = 0;     ///< values per group, whole_row or whole_tensor
    bool explicit_group = false; ///< whether the command line named the group
    bool double_quant = false;
    calibrator range;

    [[nodiscard]] bool is_plain() const noexcept { return format->family == family::plain; }
    /// Whether only a GGUF file can hold it.
    [[nodiscard]] bool is_gguf() const noexcept {
        return format->family == family::gguf || format->family == family::recipe;
    }
    /// The tensor type of that name in GGUF files, or null.
    [[nodiscard]] const tersor::gguf_type_info* gguf_type() const noexcept;
    /// The recipe, or null.
    [[nodiscard]] const tersor::gguf_recipe* recipe() const noexcept;
    /// The spec in its shortest spelling that names the group.
    [[nodiscard]] std::string text() const;
    friend bool operator==(const spec&, const spec&) = default;
};

/// Reads a SPEC; throws usage_error, saying what is available.
[[nodiscard]] spec parse_spec(std::string_view text);

/// Whether GGUF files of a type are written: it is a block format that the program quantizes to.
[[nodiscard]] bool is_gguf_format(const tersor::gguf_type_info& info) noexcept;

/// The part of the help that explains SPEC.
[[nodiscard]] std::string spec_help();

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_SPEC_HPP
