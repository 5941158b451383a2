#ifndef TERSOR_EXAMPLES_CLI_USAGE_HPP
#define TERSOR_EXAMPLES_CLI_USAGE_HPP

// A command line that asks for something impossible: exit status 2, where every other failure has 1.

#include <stdexcept>

namespace cli {

/// Thrown for a wrong command line; the message says what is possible.
class usage_error : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

} // namespace cli

#endif // TERSOR_EXAMPLES_CLI_USAGE_HPP
