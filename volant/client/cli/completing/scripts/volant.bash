# Completion of the volant command for bash; `volant completion bash` prints this.

_volant() {
    local program=${1/#\~\//$HOME/} place
    local -a answer
    type -P -- "$program" >/dev/null || program=volant
    mapfile -t answer < <("$program" __complete bash "$COMP_WORDBREAKS" "${COMP_LINE:0:COMP_POINT}" 2>/dev/null)
    place=${answer[0]:-words}
    COMPREPLY=("${answer[@]:1}")
    if ((${#COMPREPLY[@]})); then
        compopt -o nospace # a word that is whole comes with its blank
    elif [[ $place == paths* ]]; then
        compopt -o default
    fi
}

complete -F _volant volant
