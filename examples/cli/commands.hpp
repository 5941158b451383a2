#ifndef TERSOR_EXAMPLES_CLI_COMMANDS_HPP
#define TERSOR_EXAMPLES_CLI_COMMANDS_HPP

// The commands of the program, each with what its command line says. They throw usage_error (exit status 2) or
// tersor::error (1).

#include <string>
#include <vector>

namespace cli {

/// `tersor quantize MODEL -o OUT --to SPEC [options]`
struct quantize_arguments {
    std::string model;
    std::string output;
    std::string to;
    std::string layout; ///< empty: what fits the formats
    std::string mode = "best";
    std::string importance;        ///< a file; empty: none
    std::vector<std::string> set;  ///< REGEX=SPEC
    std::vector<std::string> skip; ///< REGEX
    bool all = false;
    bool dry_run = false;
    bool quiet = false;
    bool force = false;
    int threads = 0; ///< 0: one per core
    std::string json;
    std::string html;
};
void quantize(const quantize_arguments& arguments);

/// `tersor dequantize MODEL -o OUT.safetensors [--dtype f32|f16|bf16]`
struct dequantize_arguments {
    std::string model;
    std::string output;
    std::string dtype = "f32";
    bool force = false;
    bool quiet = false;
    int threads = 0;
};
void dequantize(const dequantize_arguments& arguments);

/// `tersor inspect FILE [--json FILE]`
struct inspect_arguments {
    std::string model;
    std::string json;
};
void inspect(const inspect_arguments& arguments);

/// `tersor compare A B [--json FILE]`
struct compare_arguments {
    std::string a;
    std::string b;
    std::string json;
    std::string html;
    bool quiet = false;
    int threads = 0;
};
void compare(const compare_arguments& arguments);

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_COMMANDS_HPP
