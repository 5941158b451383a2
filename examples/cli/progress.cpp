#include "progress.hpp"

#include "text.hpp"

#include <algorithm>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

namespace cli {

namespace {
std::size_t terminal_width() {
    struct winsize size {};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}
} // namespace

progress_bar::progress_bar(std::uint64_t total, bool quiet)
    : total_(total), shown_(!quiet && ::isatty(STDERR_FILENO) == 1) {}

progress_bar::~progress_bar() {
    if (shown_) {
        std::fputs("\r\033[K", stderr);
    }
}

void progress_bar::start(const std::string& tensor, std::uint64_t bytes) {
    name_ = printable(tensor);
    current_ = bytes;
    update(0.0);
}

void progress_bar::update(double share) {
    if (shown_ && clock::now() - drawn_ > std::chrono::milliseconds(80)) {
        draw(static_cast<double>(finished_) + share * static_cast<double>(current_));
    }
}

void progress_bar::finish() {
    finished_ += current_;
    current_ = 0;
    update(0.0);
}

void progress_bar::draw(double done) {
    drawn_ = clock::now();
    const double share = total_ == 0 ? 1.0 : std::min(1.0, done / static_cast<double>(total_));
    const double seconds = std::chrono::duration<double>(drawn_ - begin_).count();
    std::string right = " " + std::to_string(static_cast<int>(share * 100.0)) + " %";
    if (seconds > 0.2 && done > 0) {
        right += "  " + size_text(static_cast<std::uint64_t>(done / seconds)) + "/s";
        right += "  " + time_text(seconds / share - seconds) + " left";
    }
    const std::size_t width = terminal_width() - 1;
    const std::size_t bar = std::min<std::size_t>(24, width / 4);
    const auto filled = static_cast<std::size_t>(share * static_cast<double>(bar) + 0.5);
    std::string line = "[" + std::string(filled, '#') + std::string(bar - filled, '.') + "]" + right + "  ";
    if (line.size() < width) {
        line += cut_text(name_, width - line.size());
    }
    line.resize(std::min(line.size(), width));
    std::fprintf(stderr, "\r\033[K%s", line.c_str());
}

} // namespace cli
