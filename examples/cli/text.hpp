#ifndef TERSOR_EXAMPLES_CLI_TEXT_HPP
#define TERSOR_EXAMPLES_CLI_TEXT_HPP

// Numbers as people read them.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace cli {

/// "812 B", "3.5 MiB".
[[nodiscard]] std::string size_text(std::uint64_t bytes);

/// "[256, 512]".
[[nodiscard]] std::string shape_text(std::span<const std::int64_t> shape);

/// With that many digits after the point; "exact" for infinity and "-" for not-a-number.
[[nodiscard]] std::string fixed_text(double number, int digits);

/// With three significant digits, "1.23e-05" where that is shorter.
[[nodiscard]] std::string short_text(double number);

/// "0:07", "1:02:30".
[[nodiscard]] std::string time_text(double seconds);

/// A text cut in its middle to `width` characters.
[[nodiscard]] std::string cut_text(const std::string& text, std::size_t width);

/// A text with control characters replaced, so that a name from a file cannot steer the terminal.
[[nodiscard]] std::string printable(const std::string& text);

/// A text with the bytes that are no UTF-8 replaced by '?', for JSON.
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// "1 tensor", "2 tensors".
[[nodiscard]] std::string count_text(std::uint64_t number, const char* noun);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_TEXT_HPP
