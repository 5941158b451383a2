#include <tersor/version.hpp>

#include <Eigen/Core>

int main() { return tersor::version[0] == '0' && Eigen::Vector2f(1, 2).sum() == 3 ? 0 : 1; }
