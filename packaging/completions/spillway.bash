# SPDX-License-Identifier: Apache-2.0
# Made by `spillway reference --format bash`.
_spillway_paths() {
    compopt -o filenames
    mapfile -t COMPREPLY < <(compgen "$1" -- "$word")
}

_spillway_words() {
    case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$1" -- "$word") ;;
    *) _spillway_paths -f ;;
    esac
}

_spillway() {
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W ' run check reload health why top tap receive generate reference version' -- "$word")
        return
    fi
    case ${COMP_WORDS[1]} in
    run)
        case $before in
            --config | -c) _spillway_paths -f ;;
            *) _spillway_words '--config --help' ;;
        esac
        ;;
    check)
        case $before in
            --config | -c) _spillway_paths -f ;;
            --rate) ;;
            --event-bytes) ;;
            --ratio) ;;
            *) _spillway_words '--config --explain --env --rate --event-bytes --ratio --help' ;;
        esac
        ;;
    reload)
        case $before in
            --config | -c) _spillway_paths -f ;;
            --state-dir) _spillway_paths -d ;;
            --runtime-dir) _spillway_paths -d ;;
            --timeout) ;;
            *) _spillway_words '--config --state-dir --runtime-dir --timeout --help' ;;
        esac
        ;;
    health)
        case $before in
            --config | -c) _spillway_paths -f ;;
            *) _spillway_words '--config --ready --help' ;;
        esac
        ;;
    why)
        case $before in
            --config | -c) _spillway_paths -f ;;
            --state-dir) _spillway_paths -d ;;
            --runtime-dir) _spillway_paths -d ;;
            *) _spillway_words '--config --state-dir --runtime-dir --all --help' ;;
        esac
        ;;
    top)
        case $before in
            --config | -c) _spillway_paths -f ;;
            --state-dir) _spillway_paths -d ;;
            --runtime-dir) _spillway_paths -d ;;
            --file) _spillway_paths -f ;;
            --interval) ;;
            --sort) ;;
            *) _spillway_words '--config --state-dir --runtime-dir --file --interval --sort --once --json --plain --help' ;;
        esac
        ;;
    tap)
        case $before in
            --stage) ;;
            --filter) ;;
            --rate) ;;
            --count) ;;
            --for) ;;
            --config | -c) _spillway_paths -f ;;
            --state-dir) _spillway_paths -d ;;
            --runtime-dir) _spillway_paths -d ;;
            *) _spillway_words '--stage --filter --rate --count --for --config --state-dir --runtime-dir --help' ;;
        esac
        ;;
    receive)
        case $before in
            --listen) ;;
            --port-file) _spillway_paths -f ;;
            --for) ;;
            --first) ;;
            --max-expanded) ;;
            --seed) ;;
            --fault) ;;
            *) _spillway_words '--listen --port-file --for --summary --print --json --count-only --check --no-duplicates --check-all --first --max-expanded --seed --fault --help' ;;
        esac
        ;;
    generate)
        case $before in
            --to) _spillway_paths -f ;;
            --rate) ;;
            --lines) ;;
            --for) ;;
            --run) ;;
            --start) ;;
            --bytes) ;;
            --seed) ;;
            --rotate-bytes) ;;
            --keep) ;;
            *) _spillway_words '--to --rate --lines --for --run --start --bytes --seed --stamp --rotate-bytes --keep --help' ;;
        esac
        ;;
    reference)
        case $before in
            --format) mapfile -t COMPREPLY < <(compgen -W 'text markdown json-schema man man-commands man-ledger bash zsh fish' -- "$word") ;;
            *) _spillway_words '--format --help' ;;
        esac
        ;;
    version)
        case $before in
            *) _spillway_words '--help' ;;
        esac
        ;;
    esac
}
complete -F _spillway spillway
