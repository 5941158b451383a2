#ifndef TERSOR_EXAMPLES_DISTRIBUTED_MESSAGES_HPP
#define TERSOR_EXAMPLES_DISTRIBUTED_MESSAGES_HPP

// The little that the example needs of MPI: byte strings of any length from one process to another.

#define OMPI_SKIP_MPICXX 1 // only the C interface
#include <mpi.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace messages {

/// MPI from beginning to end.
class session {
public:
    session(int& count, char**& arguments) {
        MPI_Init(&count, &arguments);
        MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
        MPI_Comm_size(MPI_COMM_WORLD, &processes_);
    }
    ~session() { MPI_Finalize(); }
    session(const session&) = delete;
    session& operator=(const session&) = delete;

    [[nodiscard]] int rank() const { return rank_; }
    [[nodiscard]] int processes() const { return processes_; }
    /// Ends all processes with exit status 1.
    void end_all() const { MPI_Abort(MPI_COMM_WORLD, 1); }

private:
    int rank_ = 0, processes_ = 1;
};

/// MPI counts with ints.
inline constexpr std::size_t most_at_once = std::size_t{1} << 30;

inline void send(std::span<const std::byte> bytes, int to) {
    const std::uint64_t size = bytes.size();
    MPI_Send(&size, 1, MPI_UINT64_T, to, 0, MPI_COMM_WORLD);
    for (; !bytes.empty(); bytes = bytes.subspan(std::min(bytes.size(), most_at_once))) {
        MPI_Send(bytes.data(), static_cast<int>(std::min(bytes.size(), most_at_once)), MPI_BYTE, to, 0, MPI_COMM_WORLD);
    }
}

inline std::vector<std::byte> receive(int from) {
    std::uint64_t size = 0;
    MPI_Recv(&size, 1, MPI_UINT64_T, from, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    std::vector<std::byte> bytes(size);
    for (std::span<std::byte> rest(bytes); !rest.empty(); rest = rest.subspan(std::min(rest.size(), most_at_once))) {
        MPI_Recv(rest.data(), static_cast<int>(std::min(rest.size(), most_at_once)), MPI_BYTE, from, 0, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    }
    return bytes;
}

} // namespace messages

#endif // TERSOR_EXAMPLES_DISTRIBUTED_MESSAGES_HPP
