# Sourced by the scripts that a person runs: numbered steps with the time since the start, and the progress of a build.
# Set `steps` to their number before the first `begin`.

step=0 step_name="start"

elapsed() { printf '%d:%02d' $((SECONDS / 60)) $((SECONDS % 60)); }

begin() { # name
    step=$((step + 1)) step_name=$1
    printf '\n[%d/%d] %s  (%s)\n' "$step" "$steps" "$step_name" "$(elapsed)"
}

trap 'status=$?; ((status == 0)) || printf "\nFAILED at step %d of %d (%s) after %s\n" "$step" "$steps" "$step_name" "$(elapsed)" >&2' EXIT

clear_line=''
[[ ! -t 1 ]] || clear_line=$'\r\033[K'

# Make prints one line per file. On a terminal they share one line, elsewhere one in ten is kept; the rest is shown.
progress() {
    local line files=0
    while IFS= read -r line; do
        case $line in
        *'Building CXX object '*)
            files=$((files + 1))
            if [[ -n $clear_line ]]; then
                printf '%s%.100s' "$clear_line" "$line"
            elif ((files % 10 == 1)); then
                printf '%s\n' "$line"
            fi
            ;;
        \[*%\]* | Consolidate* | Scanning*) ;;
        *) printf '%s%s\n' "$clear_line" "$line" ;;
        esac
    done
    printf '%s' "$clear_line"
}
